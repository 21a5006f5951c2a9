"""Pictures: read from files of any format, preprocessed alike in training and in use, and their features."""
