"""Who belongs together because of an identifier that they share. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl


def groups(edges: pl.DataFrame) -> pl.DataFrame:
    """Puts ids that have the same hash, of themselves or through others, into one group.

    In: ``hash``, ``id``. Out: ``id``, ``group`` (the lowest id of the group), sorted by group and id.
    """
    parents: dict[str, str] = {}

    def top(id_: str) -> str:
        root = id_
        while (parent := parents.setdefault(root, root)) != root:
            root = parent
        while parents[id_] != root:
            parents[id_], id_ = root, parents[id_]
        return root

    first: dict[int, str] = {}
    for hash_, id_ in edges.select("hash", "id").iter_rows():
        one, other = top(first.setdefault(hash_, id_)), top(id_)
        parents[max(one, other)] = min(one, other)
    found = {"id": list(parents), "group": [top(id_) for id_ in parents]}
    return pl.DataFrame(found, schema={"id": pl.String, "group": pl.String}).sort("group", "id")


def packed(grouped: pl.DataFrame, most: int) -> Iterator[pl.Series]:
    """Ids of whole groups (see ``groups``), about ``most`` at a time; a group that has more stays whole."""
    sizes = grouped.group_by("group", maintain_order=True).len()
    number = (sizes.get_column("len").cum_sum() - sizes.get_column("len")) // most
    numbered = grouped.join(sizes.with_columns(number=number), on="group", maintain_order="left")
    for part in numbered.partition_by("number", maintain_order=True):
        yield part.get_column("id")
