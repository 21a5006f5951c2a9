"""`report.html`: what a training ends with."""
