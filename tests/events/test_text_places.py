"""Where texts are among others, also where different ones have the same hash."""

from __future__ import annotations

import polars as pl
import pytest

from audiences.events.text_places import joined_by_text


def length(texts: pl.Series) -> pl.Series:
    return texts.str.len_bytes().cast(pl.UInt64)


def joined(texts: list[str], known: list[str]) -> list[int | None]:
    found = joined_by_text(pl.Series(texts, dtype=pl.String), pl.Series(known, dtype=pl.String))
    assert found.dtype == pl.UInt32
    return found.to_list()


@pytest.mark.parametrize("collide", [False, True])
@pytest.mark.parametrize(
    ("texts", "known"),
    [
        (["b", "a", "zz", "b", ""], ["a", "b", "c", "dd"]),
        (["yy"], ["zz"]),
        (["a"], []),
        ([], ["a"]),
        (["é", "e"], ["e", "é", "ee"]),
    ],
)
def test_places(texts: list[str], known: list[str], collide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if collide:
        monkeypatch.setattr(pl.Series, "hash", length)
    assert joined(texts, known) == [known.index(text) if text in known else None for text in texts]
