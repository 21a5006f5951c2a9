"""Clips of video: frames at a set rate, cropped, kept in the cache."""
