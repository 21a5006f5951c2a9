"""Caption: a picture in, a sentence about it out. One-to-many."""
