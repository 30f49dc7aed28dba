"""Which profiles can make a difference since the last sync, and everything that their messages depend on."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from audiences.delivery.directory import Directory
from audiences.delivery.directory_files import IDENTIFIER
from audiences.state import Acknowledged
from audiences.state.acknowledged import newest
from audiences.state.selections import OneOf


@dataclass(frozen=True, slots=True)
class Closed:
    """Profiles (``ids``) with all others who have, had, or are known to have, an identifier that one of them has.

    ``acknowledged`` are the valid rows about them and their identifiers.
    """

    ids: pl.Series
    acknowledged: pl.DataFrame


def closed(seeds: pl.Series, directory: Directory, acknowledged: Acknowledged, key: str, run: int) -> Closed:
    """Some profiles and who belongs to them; ``run`` is the one after which identifiers count, too, that are gone."""
    ids = new = seeds.unique()
    looked_up = pl.DataFrame(schema={"type": pl.String, "value": pl.String})
    waiting = looked_up
    known: list[pl.DataFrame] = []
    while len(new) or waiting.height:
        held = pl.concat([directory.held(OneOf(new)), directory.held_after(run, new)]).select(IDENTIFIER)
        waiting = _beyond(pl.concat([held, waiting]), looked_up)
        rows = acknowledged.touching(key, new, waiting)
        known.append(rows)
        looked_up = pl.concat([looked_up, waiting])
        named = rows.select(type="identifier_type", value="identifier_value")
        others = pl.concat([directory.holders(waiting), rows.get_column("profile_id")]).unique()
        new = others.filter(~others.is_in(ids.implode()))
        ids = pl.concat([ids, new])
        waiting = _beyond(named, looked_up)
    return Closed(ids, newest(pl.concat(known).unique()))


def _beyond(identifiers: pl.DataFrame, looked_up: pl.DataFrame) -> pl.DataFrame:
    return identifiers.unique().join(looked_up, on=IDENTIFIER, how="anti")
