"""What differs between two sets of rows: who is who is found once, then column is compared with column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from audiences import changes as changing
from audiences.definitions.computation import Kind
from audiences.state.column_files import Rows
from audiences.state.columns import Column, Form, different, empty_column

SHARE_READ_BY_ROW: Final = 8
"""Up to an eighth of the rows before, they are read one by one instead of whole columns."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which rows of before belong to those of now.

    ``ids`` are those of now. ``before`` (UInt32) has the row before for each of them, null: it was not there; None: the
    rows are the same, in the same order. ``gone`` are the rows of before whose ids, ``gone_ids``, are no longer there.
    """

    ids: pl.Series
    before: pl.Series | None
    gone: pl.Series
    gone_ids: pl.Series

    def few(self, of: int) -> tuple[Pairing, Rows | None]:
        """The same pairing with only those rows before that it needs, and these; None: with all, it needs many.

        ``of`` is how many rows before there are.
        """
        if self.before is None or len(self.gone) or len(self.before) * SHARE_READ_BY_ROW > of:
            return self, None
        rows = self.before.drop_nulls().unique().sort()
        places = pl.DataFrame({"row": rows}).with_row_index("place")
        before = pl.DataFrame({"row": self.before}).join(places, on="row", how="left", maintain_order="left")
        return replace(self, before=before.get_column("place")), Rows(rows)


def pair(now: pl.Series, before: pl.Series, *, whole: bool) -> Pairing:
    """Finds each id of ``now`` (unique) in ``before``, where the last of several rows of one id is valid.

    Unless ``now`` is the ``whole``, those that it doesn't have are not looked for: nothing is gone.
    """
    none = pl.Series([], dtype=pl.UInt32)
    if len(now) == len(before) and now.equals(before):
        return Pairing(now, None, none, now.clear())
    found = matches(now, before)
    matched = found.get_column("before")
    if found.height > found.get_column("now").n_unique():
        found = found.group_by("now").agg(pl.col("before").max())
    rows = pl.DataFrame({"now": pl.int_range(len(now), dtype=pl.UInt32, eager=True)})
    places = rows.join(found, on="now", how="left", maintain_order="left").get_column("before")
    if not whole or len(matched) == len(before):
        return Pairing(now, places, none, now.clear())
    earlier = pl.DataFrame({"id": before}).with_row_index("before")
    left = earlier.join(matched.to_frame(), on="before", how="anti", maintain_order="left")
    left = left.unique("id", keep="last", maintain_order=True)
    return Pairing(now, places, left.get_column("before"), left.get_column("id"))


def matches(now: pl.Series, before: pl.Series) -> pl.DataFrame:
    """The rows (``now``, ``before``, UInt32) that have the same id.

    Joining hashes takes half the memory of joining texts. Ids with the same hash are not always the same ones, so that
    is looked at afterwards.
    """
    found = _joined(hashes(now), hashes(before))
    same = now.gather(found.get_column("now")) == before.gather(found.get_column("before"))
    return found if same.all() else _joined(now, before)


def _joined(now: pl.Series, before: pl.Series) -> pl.DataFrame:
    earlier = pl.DataFrame({"it": before}).with_row_index("before")
    return earlier.join(pl.DataFrame({"it": now}).with_row_index("now"), on="it", how="inner").select("before", "now")


def hashes(ids: pl.Series) -> pl.Series:
    """A number (UInt64) for each id, the same for the same id within one process."""
    return ids.hash(seed=0)


def difference(pairing: Pairing, now: Column, before: Column, kind: Kind) -> pl.DataFrame:
    """The changes from ``before`` to ``now``, sorted by id: ``id``, ``change``, ``value``, ``previous``.

    Only the rows that changed become JSON text.
    """
    earlier = before.gather(pairing.before)
    rows = different(now, earlier)
    changed = pl.DataFrame(
        {"id": pairing.ids.gather(rows), "value": now.gather(rows).json(), "previous": earlier.gather(rows).json()}
    )
    gone = before.gather(pairing.gone)
    had = gone.values.is_not_null()
    lost = pl.DataFrame(
        {
            "id": pairing.gone_ids.filter(had),
            "value": empty_column(Form.JSON, int(had.sum())).values,
            "previous": Column(gone.form, gone.values.filter(had)).json(),
        }
    )
    return changing.named(pl.concat([changed, lost]), kind)
