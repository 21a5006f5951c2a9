"""The measurements, a file a group of claims."""
