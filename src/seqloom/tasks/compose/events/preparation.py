"""From MIDI files to batches of tokens, and from a primer to what the model reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, final

import numpy
from pydantic import Field

from seqloom.data.batching import IGNORE_INDEX, Batching, Source, Window
from seqloom.data.bucketing import Buckets
from seqloom.data.digest import Digest
from seqloom.data.music.dataset import Music
from seqloom.data.music.folder import hash_file
from seqloom.data.music.midi import read_midi
from seqloom.data.music.tokens import TuneTokenizer
from seqloom.data.music.tune import DEFAULT_TEMPO, DEFAULT_VELOCITY, VELOCITY, Tune
from seqloom.data.padding import pad
from seqloom.data.ragged import Ragged, make_ragged
from seqloom.errors import DataError, RunError
from seqloom.progress import phase
from seqloom.stored import DAMAGED, MAX_COUNT, Count, StoredValue, read_stored
from seqloom.tasks.compose.config import DataConfig, Semitones
from seqloom.tasks.compose.events.grammar import EventVocabulary
from seqloom.tasks.compose.events.streams import Transposition, TuneStreams

MARKER, TOKENIZER = "events.json", "tokenizer.json"
CACHED_FILES = 256
"""The tokens of more files are kept in the cache: it takes seconds to make them."""
MAX_FITTED = 1000
"""Files that tempo and velocities are taken from"""
SKIPPED = "skipped.json"
MAX_TEMPO = 1e8
"""What the format of MIDI files can say, in quarter notes a minute: one each microsecond"""
MAX_BAR_TOKENS = 1 << 16
"""A fuller bar of training counts as one of so many"""


class Facts(NamedTuple):
    """What is known of the training tunes, beside their tokens."""

    velocity: int = DEFAULT_VELOCITY
    """Of every note, where tokens have none"""
    tempo: float = DEFAULT_TEMPO
    """Quarter notes a minute, the median"""
    max_bar_tokens: int = 512
    """Of the fullest bar"""
    max_bars: int = 2000
    transpose: int = 0
    changing_metre: float = 0.0
    """Share of the tunes that change their time signature"""
    counts: Sequence[int] = ()
    """How often each token is in the training tunes, (V,)"""


class _StoredFacts(StoredValue):
    """`Facts` in a run folder."""

    velocity: Annotated[int, Field(ge=1, le=127)] = DEFAULT_VELOCITY
    tempo: Annotated[float, Field(gt=0, le=MAX_TEMPO)] = DEFAULT_TEMPO
    max_bar_tokens: Annotated[int, Field(ge=1, le=MAX_BAR_TOKENS)] = Facts().max_bar_tokens
    max_bars: Annotated[int, Field(ge=1, le=MAX_COUNT)] = Facts().max_bars
    transpose: Semitones = 0
    changing_metre: Annotated[float, Field(ge=0, le=1)] = 0.0
    counts: list[Count] = Field(default_factory=list)


class Tokenized(NamedTuple):
    """The tokens of the usable tunes of a split."""

    rows: Ragged
    files: tuple[Path, ...]
    """Of each row"""
    skipped: tuple[str, ...]
    cut: int
    left_out: int


@final
class Preparation:
    """A tokenizer of tunes, and what is known of those of the training split.

    Args:
        tokenizer: tunes to tokens and back.
        facts: of the training tunes.
    """

    kind: Literal["events"] = "events"
    unit = "event"
    column = "file"

    def __init__(self, tokenizer: TuneTokenizer, facts: Facts) -> None:
        self.tokenizer, self.facts = tokenizer, facts
        self.events = EventVocabulary(tokenizer)
        self._tokenized: dict[tuple[Path, ...], Tokenized] = {}

    @classmethod
    def fit(cls, data: Music, config: DataConfig) -> Preparation:
        """Look at the training tunes: do velocities differ, how fast are they, how full are bars?

        Raises:
            DataError: no file is good; with `data.strict`, one is bad.
        """
        files = data.splits["train"]
        velocities: set[int] = set()
        tempos: list[float] = []
        for file in files[:: -(-len(files) // MAX_FITTED)]:
            try:
                tune = read_midi(file)
            except DataError:  # said when it is tokenized
                continue
            velocities.update(numpy.unique(tune.notes[:, VELOCITY]).tolist())
            tempos.append(tune.tempo)
        tokenizer = TuneTokenizer.make(config.positions_per_beat, config.max_beats, len(velocities) > 1)
        facts = Facts(
            velocity=int(numpy.median(list(velocities) or [DEFAULT_VELOCITY])),
            tempo=float(numpy.median(tempos or [DEFAULT_TEMPO])),
            max_bars=config.max_bars,
            transpose=config.transpose,
        )
        preparation = cls(tokenizer, facts)
        train = preparation.tokens(data, "train")
        fullest = max(preparation.fullest_bar(train.rows.row(row)) for row in range(len(train.rows)))
        counts = sum(numpy.bincount(chunk, minlength=len(tokenizer)) for chunk in train.rows.chunks())
        changing = [preparation.changes_metre(train.rows.row(row)) for row in range(len(train.rows))]
        preparation.facts = facts._replace(
            max_bar_tokens=min(fullest, MAX_BAR_TOKENS),
            changing_metre=sum(changing) / len(changing),
            counts=numpy.asarray(counts, dtype=int).tolist(),
        )
        return preparation

    @classmethod
    def load(cls, folder: Path) -> Preparation:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: a file is missing or damaged.
        """
        path, expected = folder / MARKER, "expected facts of tunes"
        facts = Facts(**read_stored(path, _StoredFacts, expected).model_dump())
        tokenizer = TuneTokenizer.load(folder / TOKENIZER)
        if len(facts.counts) not in (0, len(tokenizer)):
            expected = f"expected counts of the tokens of {TOKENIZER}, which are {len(tokenizer):,}"
            raise RunError(path, expected, got=len(facts.counts), hint=DAMAGED)
        return cls(tokenizer, facts)

    def files(self) -> dict[str, str]:
        """The facts, and MidiTok's `tokenizer.json`."""
        return {MARKER: json.dumps(self.facts._asdict()), TOKENIZER: self.tokenizer.to_json()}

    def describe(self) -> str:
        """For example `508 events; 12 notes of training cut at 16 beats`."""
        parts = [f"{len(self.tokenizer):,} events"]
        for tokenized in list(self._tokenized.values())[:1]:
            cut, left_out = tokenized.cut, tokenized.left_out
            parts += [f"{cut:,} notes of training cut to the longest duration"] * bool(cut)
            parts += [f"{left_out:,} notes outside a piano or doubled left out"] * bool(left_out)
        return "; ".join(parts)

    def log_frequencies(self) -> numpy.ndarray:
        """The logarithm of each token's share of the training tunes, as often as they are transposed, (V,).

        Every token is counted once more than it occurs.
        """
        counts = numpy.array(self.facts.counts, dtype=float)
        is_pitch, steps = self.events.pitch >= 0, 2 * self.facts.transpose + 1
        moved = numpy.convolve(counts[is_pitch], numpy.ones(steps) / steps)
        counts[is_pitch] = moved[self.facts.transpose : len(moved) - self.facts.transpose]
        return numpy.log((counts + 1) / (counts + 1).sum())

    def fullest_bar(self, tokens: numpy.ndarray) -> int:
        """Tokens of the bar that has most."""
        starts = numpy.flatnonzero(tokens == self.events.bar)
        return int(numpy.diff(starts, append=len(tokens)).max(initial=1))

    def changes_metre(self, tokens: numpy.ndarray) -> bool:
        """Whether the time signature of a tune changes."""
        return len(numpy.unique(tokens[self.events.of_type["TimeSig"][tokens]])) > 1

    def tokens(self, data: Music, split: str) -> Tokenized:
        """The tokens of a split, made once; `all` is the whole of the data.

        Raises:
            DataError: no file is good; with `data.strict`, one is bad.
        """
        files = tuple(data.tunes(split))
        if files not in self._tokenized:
            tokenized = self._tokenize(files, split, data.strict)
            if not len(tokenized.rows):
                skipped, first = tokenized.skipped, tokenized.skipped[0].removesuffix(".")
                got = first if len(skipped) == 1 else f"{len(skipped):,} bad ones, the first: {first}"
                raise DataError(data.path, f"expected a good MIDI file in {split}", got=got)
            self._tokenized[files] = tokenized
        return self._tokenized[files]

    def _tokenize(self, files: Sequence[Path], split: str, strict: bool) -> Tokenized:
        report: dict[str, Any] = {"skipped": [], "files": [], "cut": 0, "left_out": 0}

        def parts() -> Iterator[tuple[numpy.ndarray, numpy.ndarray]]:
            with phase(f"reading {split}", total=len(files), unit="files") as reading:
                for number, file in enumerate(reading.count(files)):
                    try:
                        encoded = self.tokenizer.encode(self._checked(read_midi(file), file), file)
                    except DataError as error:
                        if strict:
                            raise
                        report["skipped"].append(str(error))
                        continue
                    report["files"].append(number)
                    report["cut"] += encoded.cut
                    report["left_out"] += encoded.left_out
                    yield encoded.tokens, numpy.array([len(encoded.tokens)])

        def finish(folder: Path | None) -> None:
            if folder is not None:
                (folder / SKIPPED).write_text(json.dumps(report))

        # a bad file is an error at once: what is read before it need not be kept
        key = "" if len(files) <= CACHED_FILES or strict else self._cache_key(files)
        rows, folder = make_ragged("tunes", key, numpy.uint16, parts, finish)
        if folder is not None:
            report = json.loads((folder / SKIPPED).read_text())
        good = tuple(files[number] for number in report["files"])
        return Tokenized(rows, good, tuple(report["skipped"]), report["cut"], report["left_out"])

    def _cache_key(self, files: Sequence[Path]) -> str:
        """A hash of all that the tokens depend on: the files' names, too, which are in messages."""
        digest = Digest()
        digest.add((self.tokenizer.to_json(), self.facts.max_bars))
        for file in files:
            digest.add((str(file), hash_file(file)))
        return digest.hexdigest()

    def _checked(self, tune: Tune, where: Path) -> Tune:
        bars = tune.num_bars
        if bars > self.facts.max_bars:
            hint = "Set data.max_bars higher to learn from it"
            raise DataError(
                where, f"expected at most {self.facts.max_bars:,} bars", got=f"{bars:,}", hint=hint
            )
        return tune

    def source(self, data: Music, split: str, batching: Batching) -> Source:
        """Streams of tunes for training, moved up or down; else tune by tune, as they are."""
        tokenized = self.tokens(data, split)
        rows = tokenized.rows
        if batching.training:
            transposition = Transposition(self.events.pitch)
            return TuneStreams(rows, batching, transposition, self.facts.transpose, tokenized.skipped)

        def collate(numbers: list[int]) -> Window:
            tokens = [rows.row(number).astype(numpy.int64) for number in numbers]
            inputs = pad([row[:-1] for row in tokens], self.tokenizer.pad)
            return Window(inputs, pad([row[1:] for row in tokens], IGNORE_INDEX))

        lengths = rows.lengths - 1
        return Buckets(range(len(rows)), lengths, collate, batching, tokenized.skipped, rows.digest())

    def encode(self, value: Any) -> Tune:
        """A primer: the path of a MIDI file, or a tune.

        Raises:
            DataError: it is no usable MIDI file.
        """
        if isinstance(value, Tune):
            tune, where = value, "primer"
        elif isinstance(value, str | Path):
            tune, where = read_midi(Path(value)), value
        else:
            raise DataError("compose", "the primer must be a MIDI file or a tune", got=type(value).__name__)
        self._checked(tune, Path(where))
        self.tokenizer.encode(tune, where)  # it may have no token for what is in it
        return tune
