"""Words of captions, as the Penn Treebank's tokenizer in coco-caption has them: lowercase, no punctuation.

Stanford's PTBTokenizer, which coco-caption runs in Java, knows more abbreviations and Web addresses than the
rules here; on captions of photos the two hardly differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

CLITICS = r"(?:n't|'(?:s|m|d|re|ve|ll))(?!\w)"
_TOKEN = re.compile(
    r"\d+(?:[.,:]\d+)+"  # 1,000 or 3.5
    r"|(?:[^\W\d_]\.){2,}"  # u.s.
    r"|(?:mr|mrs|ms|dr|st)\.(?=\s+\w)"
    rf"|{CLITICS}"
    r"|\w+?(?=n't(?!\w))"
    r"|\w+(?:-\w+)*(?:'(?!(?:s|m|d|re|ve|ll)(?!\w))\w+)*"
    r"|\S"
)
_PUNCTUATION = frozenset("'\"`.?!,:;-_()[]{}…–—«»“”„‘") | {"--", "..."}
_BEFORE_CLITIC = re.compile(rf" (?={CLITICS})")


def tokenize(text: str) -> list[str]:
    """The words of a caption: lowercase, clitics apart, without punctuation.

    >>> tokenize("A dog's ball isn't in the well-kept garden (yet)!")
    ['a', 'dog', "'s", 'ball', 'is', "n't", 'in', 'the', 'well-kept', 'garden', 'yet']
    """
    return list(_tokenize(text))


@lru_cache(maxsize=1 << 17)
def _tokenize(text: str) -> tuple[str, ...]:
    """References are the same whenever a model is validated."""
    normalized = text.lower().replace("’", "'")
    return tuple(token for token in _TOKEN.findall(normalized) if token not in _PUNCTUATION)


def join_words(words: Sequence[str]) -> str:
    """Words as a text, of which `tokenize` makes the same words.

    >>> join_words(["a", "dog", "'s", "ball"])
    "a dog's ball"
    """
    return _BEFORE_CLITIC.sub("", " ".join(words))
