"""Chains of sheets: kept short, and made again from snapshots where there is none."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import polars as pl

from audiences.definitions.computation import Computation
from audiences.state.columns import column_of_json
from audiences.state.sheets import Chain, Sheet, SheetWriter

LONGEST: Final = 9
"""The most sheets of a chain: reading a row looks into each of them."""


def extended(earlier: Mapping[str, Chain], sheets: Mapping[str, Sheet]) -> dict[str, Chain]:
    """The chains after a run: a whole sheet is a chain of its own, any other follows those before it.

    A computation of which only some rows are known has no chain.
    """
    chains = dict(earlier)
    for key, sheet in sheets.items():
        if sheet.whole:
            chains[key] = Chain((sheet,))
        elif key in earlier:
            chains[key] = Chain((*earlier[key].sheets, sheet))
    return chains


def shortened(chains: Mapping[str, Chain], folder: Path) -> dict[str, Chain]:
    """Makes one sheet of several where a chain has become long; new sheets are written below ``folder``.

    The first sheet, which is large, is part of it only when the others have half as many rows together.
    """
    groups: dict[Chain, list[str]] = {}
    for key, chain in chains.items():
        if len(chain.sheets) > LONGEST:
            groups.setdefault(chain, []).append(key)
    result = dict(chains)
    for chain, keys in groups.items():
        first, *others = chain.sheets
        if sum(sheet.rows for sheet in others) * 2 < first.rows:
            shorter = Chain((first, merged(Chain(tuple(others)), keys, folder)))
        else:
            shorter = Chain((merged(chain, keys, folder),))
        result |= dict.fromkeys(keys, shorter)
    return result


def merged(chain: Chain, keys: Iterable[str], folder: Path) -> Sheet:
    """One sheet with the valid row of each id of a chain."""
    valid = pl.DataFrame({"id": chain.ids()}).with_row_index("row").unique("id", keep="last", maintain_order=True)
    first = chain.sheets[0]
    writer = SheetWriter(folder / uuid.uuid4().hex, first.level, keys, whole=first.whole)
    writer.add_ids(valid.get_column("id"))
    for key in writer.files:
        writer.add_column(key, chain.column(key).gather(valid.get_column("row")))
        writer.flush_column(key)
    return writer.finish()


def rebuilt(
    computations: Iterable[Computation], ids: pl.Series, snapshot: Callable[[str], pl.DataFrame], folder: Path
) -> dict[str, Chain]:
    """Chains of computations of one level from their stored snapshots (``id``, ``value``), by key.

    ``ids`` come first; ids that only snapshots have follow. So if nobody is gone, the rows are those of ``ids``.
    """
    known = {item.key: item for item in computations}
    if not known:
        return {}
    level = next(iter(known.values())).level
    writer = SheetWriter(folder / uuid.uuid4().hex, level, known)
    writer.add_ids(ids)
    everyone = pl.DataFrame({"id": ids})
    for key in writer.files:
        values = snapshot(key).select("id", "value")
        others = values.join(everyone, on="id", how="anti", maintain_order="left").select("id")
        writer.add_ids(others.get_column("id"))
        everyone = pl.concat([everyone, others])
        column = everyone.join(values, on="id", how="left", maintain_order="left").get_column("value")
        writer.add_column(key, column_of_json(column, known[key]))
        writer.flush_column(key)
    return dict.fromkeys(known, Chain((writer.finish(),)))
