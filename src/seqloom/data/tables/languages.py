"""Columns and files that are named by languages."""

from __future__ import annotations

import re
from collections.abc import Sequence

ISO_639_1 = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz
ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik
io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml
mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd
se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi
vo wa wo xh yi yo za zh zu
"""
ISO_639_2 = """
ara ben ces cze chi dan deu dut ell eng est fas fin fra fre ger heb hin hun ind ita jpn kor lav lit nld
nor pol por ron rum rus slk slo slv spa srp swa swe tam tha tur ukr urd vie zho
"""
"""The most frequent"""
ENGLISH_NAMES = """
arabic bengali bulgarian chinese croatian czech danish dutch english finnish french german greek hebrew
hindi hungarian indonesian italian japanese korean norwegian persian polish portuguese romanian russian
spanish swahili swedish thai turkish ukrainian urdu vietnamese
"""
CODES = frozenset(f"{ISO_639_1} {ISO_639_2} {ENGLISH_NAMES}".split())
LANGUAGE = re.compile(r"([A-Za-z]+)([-_]([A-Za-z]{2}|[A-Z][a-z]{3}))?")


def is_language(name: str) -> bool:
    """Whether a name is that of a language, perhaps with a region.

    >>> is_language("de"), is_language("en-US"), is_language("German"), is_language("is_spam")
    (True, True, True, False)
    """
    match = LANGUAGE.fullmatch(name.strip())
    return match is not None and match[1].lower() in CODES


def find_languages(names: Sequence[str]) -> list[str]:
    """The columns that are named by languages; one named `id` is that of another language, or numbers rows.

    >>> find_languages(["id", "de", "en"]), find_languages(["id", "en"])
    (['de', 'en'], ['id', 'en'])
    """
    languages = [name for name in names if is_language(name)]
    return [name for name in languages if name.lower() != "id"] if len(languages) != 2 else languages
