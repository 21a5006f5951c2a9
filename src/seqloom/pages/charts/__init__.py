"""Charts of a page: what is drawn is SVG, what is read is HTML, so that text keeps its size on any screen."""
