"""The settings of `compose`: those of both kinds of music."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from seqloom.data.music.dataset import MusicKind
from seqloom.data.music.tokens import MAX_BEATS, MAX_POSITIONS
from seqloom.models.rolls.output_layers import KeyDependence
from seqloom.settings import PositiveInt, Probability, StrictConfig
from seqloom.tasks.model_config import RecurrentModelConfig

FramesPerQuarter: TypeAlias = Annotated[int, Field(ge=1, le=48)]
FramesPerBar: TypeAlias = Annotated[int, Field(ge=1, le=768)]
Semitones: TypeAlias = Annotated[int, Field(ge=0, le=11)]


class DataConfig(StrictConfig):
    """The `data.*` keys."""

    music: MusicKind | None = None
    """What music is read as: `events` of MIDI files, or `frames` of piano rolls, as which MIDI files are read
    too. null: MIDI files as events, piano rolls as frames."""
    positions_per_beat: Annotated[int, Field(ge=1, le=MAX_POSITIONS)] = 12
    """Of events: positions of a beat at which a note may begin; 12 has sixteenths and triplets."""
    max_beats: Annotated[int, Field(ge=1, le=MAX_BEATS)] = 16
    """Of events: a longer note is cut."""
    max_bars: PositiveInt = 2000
    """Of MIDI files: a longer one is skipped."""
    transpose: Semitones = 5
    """In training each tune is moved up or down by at most so many semitones, drawn anew in every epoch."""

    frames_per_quarter: FramesPerQuarter = 2
    """Of piano rolls: steps of a quarter note; MIDI files are sampled at so many."""
    frames_per_bar: FramesPerBar | None = None
    """Of piano rolls: steps of a bar, counted from the first, whose number the model is then told; null: not
    known."""
    max_frames: Annotated[int, Field(ge=2)] = 256
    """Of piano rolls: in training a longer one is read as an excerpt of so many steps, drawn anew in every
    epoch."""


class ModelConfig(RecurrentModelConfig):
    """The `model.*` keys."""

    hidden_size: PositiveInt = 256
    embedding_size: PositiveInt = 64
    """Of events: width of a token's vector."""
    dropout: Probability = 0.1
    """At the input, between layers and at the output."""
    locked_dropout: bool = True
    key_dependence: KeyDependence = "joint"
    """Of piano rolls: `joint`, each key given those below it in its frame; or `independent`."""
    tied_keys: bool = True
    """Of piano rolls: every key has a recurrent state of its own, with weights that all keys share; otherwise
    one state of `hidden_size` reads whole frames."""
    key_hidden_size: PositiveInt = 64
    """Of piano rolls with `tied_keys`: hidden units of a layer for each key, instead of `hidden_size`."""
    key_output_size: PositiveInt = 64
    """Of piano rolls: hidden units of the output layer, where it has any."""
    key_reach: PositiveInt = 24
    """Of piano rolls with `tied_keys`: keys that a key sees to either side."""
    key_embedding_size: PositiveInt = 8
    """Of piano rolls with `tied_keys`: width of the vector of a key."""
    lookback: Annotated[int, Field(ge=0, le=4096)] = 0
    """Of piano rolls: steps back that are searched for the longest passage that equals the last frames. What
    followed it, and how long it is, are inputs: tunes repeat whole parts. 0: none."""


class DecodingConfig(StrictConfig):
    """The `decoding.*` keys."""

    bars: Annotated[int, Field(ge=1, le=1000)] = 16
    """Bars that are added."""
    time_signature: Annotated[str, Field(pattern=r"^[1-9]\d?/(1|2|4|8|16)$")] | None = None
    """Of every bar that is added, as 6/8; null: as the model chooses."""
    hold_metre: bool | None = None
    """Of MIDI files: whether each bar has the time signature of the one before it. null: if fewer than a
    twentieth of the training tunes ever change it."""
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Divides the logits before sampling; 0 takes the most likely. Of MIDI files the metre that a tune begins
    in is drawn at temperature 1, unless this is 0; `top_k` and `top_p` hold for it too."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """Sample from the k most likely; 0: from all."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Sample from the fewest that have this probability together."""
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0
    """The same seed writes the same tune."""
    report_tunes: Annotated[int, Field(ge=0, le=1000)] = 50
    """Tunes that a report writes, to compare them with those of the data; 0: none."""
