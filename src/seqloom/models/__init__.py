"""Models: recurrent layers with an input, an output and, where one is needed, attention. They know no task."""
