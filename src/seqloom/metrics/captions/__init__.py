"""Metrics of captions as coco-caption defines them, without Java."""
