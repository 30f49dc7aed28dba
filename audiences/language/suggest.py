"""The nearest right thing, for "did you mean" hints."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

CLOSE_ENOUGH: Final = 0.6
"""How alike two words must be (difflib's ratio) to be worth mentioning."""


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like ``word``, upper and lower case alike, or None when nothing is near.

    Equally near candidates: the one that comes first.
    """
    spelled: dict[str, str] = {}
    for candidate in candidates:
        spelled.setdefault(candidate.casefold(), candidate)
    found = get_close_matches(word.casefold(), list(spelled), n=1, cutoff=CLOSE_ENOUGH)
    return spelled[found[0]] if found else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """The hint ``did you mean 'within'?``, or an empty text when nothing is near."""
    found = nearest(word, candidates)
    return f"did you mean '{found}'?" if found is not None else ""
