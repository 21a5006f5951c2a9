"""The four shapes: one-to-one, one-to-many, many-to-one, many-to-many."""
