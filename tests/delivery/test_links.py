from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from audiences.delivery.links import groups, packed

EDGES = st.lists(st.tuples(st.integers(0, 8), st.sampled_from("abcdefgh")), max_size=12)


def frame(edges: list[tuple[int, str]]) -> pl.DataFrame:
    return pl.DataFrame(edges, schema={"hash": pl.UInt64, "id": pl.String}, orient="row")


@given(EDGES)
def test_groups_are_what_is_connected(edges: list[tuple[int, str]]) -> None:
    """Sets that have an edge in common are joined until none have."""
    sets = [{id_ for hash_, id_ in edges if hash_ == number} for number in {hash_ for hash_, _ in edges}]
    joined = True
    while joined:
        joined = False
        for one in sets:
            for other in sets:
                if one is not other and one & other:
                    one |= other
                    sets = [each for each in sets if each is not other]
                    joined = True
                    break
            if joined:
                break
    expected = sorted((min(one), id_) for one in sets for id_ in one)
    assert groups(frame(edges)).select("group", "id").rows() == expected


@given(EDGES, st.integers(1, 4))
def test_groups_are_packed_whole(edges: list[tuple[int, str]], most: int) -> None:
    grouped = groups(frame(edges))
    parts = [part.to_list() for part in packed(grouped, most)]
    assert [id_ for part in parts for id_ in part] == grouped["id"].to_list()
    for part in parts:
        of_part = grouped.filter(pl.col("id").is_in(part))
        assert grouped.filter(pl.col("group").is_in(of_part["group"].implode())).height == len(part)
        assert len(part) < most + of_part.group_by("group").len()["len"].max()  # type: ignore[operator]
