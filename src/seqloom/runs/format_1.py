"""Configurations of run folders of format 1, in which loss and SpecAugment were among the `model.*` keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LOSS_KEYS = ("class_weights", "label_smoothing", "scheduled_sampling", "ctc_weight")
AUGMENTATION_KEYS = (
    "spec_augment",
    "time_masks",
    "time_mask_frames",
    "frequency_masks",
    "frequency_mask_mels",
)


def upgrade(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same configuration in format 2; `config` stays as it is.

    >>> old = {"format": 1, "model": {"hidden_size": 8, "label_smoothing": 0.1}, "data": {"unit": "word"}}
    >>> upgrade(old)
    {'format': 2, 'model': {'hidden_size': 8}, 'data': {'unit': 'word'}, 'loss': {'label_smoothing': 0.1}}
    """
    data, model = dict(config.get("data", {})), dict(config.get("model", {}))
    loss = {key: model.pop(key) for key in LOSS_KEYS if key in model}
    data |= {key: model.pop(key) for key in AUGMENTATION_KEYS if key in model}
    if "normalisation" in data:
        data["normalization"] = data.pop("normalisation")
    return {**config, "format": 2, "data": data, "model": model, "loss": loss}
