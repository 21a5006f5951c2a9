"""Audio: reading files, log-mel features, their normalization and augmentation."""
