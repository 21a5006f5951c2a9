"""Tables: files of rows, and examples with named columns by split."""
