"""Pictures and captions to batches: what encodes pictures, and the words of captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from seqloom.data.batching import Batching
from seqloom.data.images.pictures import picture_path
from seqloom.data.tables.records import Example, Records, encode_examples, require_usable
from seqloom.data.tables.skipped import SkippedRows
from seqloom.errors import DataError
from seqloom.tasks.caption.batches import CaptionedPicture, CaptionSource
from seqloom.tasks.caption.config import DataConfig
from seqloom.tasks.caption.pictures import (
    PictureInput,
    PictureToCaption,
    fit_pictures,
    load_pictures,
)
from seqloom.tasks.caption.vocabulary import WORDS, CaptionVocabulary

COLUMNS = ("file", "caption")


@final
class Preparation:
    """The image encoder and the vocabulary.

    Args:
        pictures: reads and encodes them.
        vocabulary: the words of captions.
        mirror: whether training mirrors pictures.
    """

    column = COLUMNS[0]
    unit = "word"

    def __init__(self, pictures: PictureInput, vocabulary: CaptionVocabulary, mirror: bool) -> None:
        self.pictures, self.vocabulary, self.mirror = pictures, vocabulary, mirror

    @classmethod
    def fit(cls, data: Records, config: DataConfig) -> Preparation:
        """Choose the encoder, and collect the words of the training captions.

        Raises:
            DataError: a column is missing, no row is usable, or no word occurs often enough.
        """
        data.require(*COLUMNS)
        rows = encode_examples(data, "train", _read_row).items
        vocabulary = CaptionVocabulary.fit((text for _, text, _ in rows), config.min_count)
        if not vocabulary.words:
            expected = f"expected captions with words that occur {config.min_count} times (data.min_count)"
            raise DataError(data.path, expected, got="none", hint="Set data.min_count=1")
        return cls(fit_pictures(data, config), vocabulary, config.mirrored_images)

    @classmethod
    def load(cls, folder: Path, config: DataConfig) -> Preparation:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: a file is missing or damaged.
        """
        return cls(load_pictures(folder, config), CaptionVocabulary.load(folder), config.mirrored_images)

    def files(self) -> dict[str, str]:
        """How pictures are read, and the words."""
        return {**self.pictures.files(), WORDS: self.vocabulary.to_json()}

    def describe(self) -> str:
        """For example `2,550 words, small-cnn trained from scratch, 32 x 32 pixels in color`."""
        return f"{len(self.vocabulary.words):,} words, {self.pictures.describe()}"

    def encode(self, value: Any) -> PictureToCaption:
        """The picture of a path.

        Raises:
            DataError: it is no path, or no usable picture is there.
        """
        return self.pictures.encode(picture_path(value, "caption"))

    def source(self, data: Records, split: str, batching: Batching) -> CaptionSource:
        """Batches of pictures with all their captions."""
        items, skipped = self.captioned_pictures(data, split)
        return CaptionSource(self.pictures, items, batching, skipped, self.mirror)

    def captioned_pictures(self, data: Records, split: str) -> tuple[Sequence[CaptionedPicture], SkippedRows]:
        """The usable pictures of a split with their captions, and messages about rows that were skipped.

        Raises:
            DataError: no row is usable; or, with `data.strict`, the first bad row.
        """
        rows = encode_examples(data, split, _read_row)
        groups: dict[Path, list[tuple[str, str]]] = {}
        for path, text, place in rows.items:
            groups.setdefault(path, []).append((text, place))
        cache, items = self.pictures.cache, []
        cache.add(groups, f"pictures of {split}")
        for path, captions in groups.items():
            try:
                number = cache.number(path, captions[0][1])
            except DataError as error:
                if data.strict:
                    raise
                for _ in captions:  # each of its rows is lost
                    rows.skipped.append(str(error))
                continue
            texts = tuple(text for text, _ in captions)
            tokens = tuple(map(self.vocabulary.encode, texts))
            items.append(CaptionedPicture(number, path, texts, tokens))
        require_usable(data, split, len(items), rows.skipped)
        return items, rows.skipped


def _read_row(example: Example) -> tuple[Path, str, str]:
    """The picture, the caption and the place of a row."""
    path = picture_path(example.fields.get("file"), example.place)
    return path, example.text("caption").strip(), example.place
