"""Tables: files of rows, read as examples with named columns, by split."""
