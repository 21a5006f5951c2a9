"""What a person sees of a training: records of its losses, callbacks, the progress line, its summary."""
