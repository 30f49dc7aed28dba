"""The nearest right thing, for "did you mean" hints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher, get_close_matches
from typing import Final

CLOSE_ENOUGH: Final = 0.6
"""How alike two words must be (difflib's ratio) to be worth mentioning."""

SHORTEST_BEGINNING: Final = 3
"""So many letters of a longer word are an abbreviation of it."""

MUCH_FARTHER: Final = 0.15
"""How much less alike than the nearest one a name may be to be mentioned next to it."""


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like ``word``, upper and lower case alike, or None when nothing is near.

    Equally near candidates: the one that comes first. Where none is near, the only one that begins with the word.
    """
    spelled: dict[str, str] = {}
    for candidate in candidates:
        spelled.setdefault(candidate.casefold(), candidate)
    found = get_close_matches(word.casefold(), list(spelled), n=1, cutoff=CLOSE_ENOUGH)
    if not found and len(word) >= SHORTEST_BEGINNING:
        beginning = [candidate for candidate in spelled if candidate.startswith(word.casefold())]
        found = beginning if len(beginning) == 1 else []
    return spelled[found[0]] if found else None


def nearest_names(word: str, counts: Mapping[str, int], most: int = 3) -> list[str]:
    """Up to ``most`` names that are most like ``word``: the nearest first, of equally near ones the most frequent.

    Upper and lower case are alike, and so are blanks, ``_`` and ``-``. Names that are much farther than the nearest
    are left out.
    """
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(_plain(word))
    found: list[tuple[float, int, str]] = []
    for name, count in counts.items():
        matcher.set_seq1(_plain(name))
        if matcher.real_quick_ratio() >= CLOSE_ENOUGH and matcher.quick_ratio() >= CLOSE_ENOUGH:
            ratio = matcher.ratio()
            if ratio >= CLOSE_ENOUGH:
                found.append((-ratio, -count, name))
    found.sort()
    return [name for ratio, _, name in found[:most] if ratio <= found[0][0] + MUCH_FARTHER]


def _plain(word: str) -> str:
    return word.casefold().replace("_", " ").replace("-", " ")


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """The hint ``did you mean 'within'?``, or an empty text when nothing is near."""
    found = nearest(word, candidates)
    return f"did you mean '{found}'?" if found is not None else ""
