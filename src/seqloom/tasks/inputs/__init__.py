"""What classify and transcribe read, one kind a file: texts, recordings, series of numbers."""
