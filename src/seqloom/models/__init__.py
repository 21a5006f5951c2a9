"""Models: recurrent layers with what is before and after them, such as attention. They know no task."""
