"""From tables to the rows of series: which column is which, how times and numbers are spelled."""
