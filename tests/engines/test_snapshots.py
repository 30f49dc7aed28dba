"""Looking up stored values of some ids among those of all."""

from __future__ import annotations

import random

import polars as pl
import pytest

from audiences.engines.polars_snapshots import Snapshot

TEXTS = {"id": pl.String, "value": pl.String}


def length(texts: pl.Series) -> pl.Series:
    """A hash that many different texts have in common."""
    return texts.str.len_bytes().cast(pl.UInt64)


@pytest.mark.parametrize("collide", [False, True])
@pytest.mark.parametrize("count", [0, 1, 500])
def test_values_of_some_ids(count: int, collide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if collide:
        monkeypatch.setattr(pl.Series, "hash", length)
    chance = random.Random(count)  # noqa: S311
    stored = {f"p{chance.randrange(10**6)}": str(number) for number in range(count)}
    snapshot = Snapshot(pl.DataFrame({"id": list(stored), "value": list(stored.values())}, schema=TEXTS))
    wanted = [*chance.sample(list(stored), count // 2), "p", "nobody", *(f"q{number}" for number in range(100))]
    chance.shuffle(wanted)
    found = snapshot.values(pl.Series(wanted, dtype=pl.String))
    assert found.to_list() == [stored.get(id) for id in wanted]
    assert snapshot.values(pl.Series([], dtype=pl.String)).to_list() == []
