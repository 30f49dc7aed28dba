from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiences.definitions.computation import Kind
from audiences.state import comparison
from audiences.state.columns import Column, Form
from audiences.state.comparison import difference, pair

IDS = st.sampled_from("abcdé")


def ids(items: list[str]) -> pl.Series:
    return pl.Series("id", items, dtype=pl.String)


def whole_numbers(items: list[int | None]) -> Column:
    return Column(Form.INTEGER, pl.Series(items, dtype=pl.Int64))


def test_the_same_rows_need_no_mapping() -> None:
    found = pair(ids(["b", "a"]), ids(["b", "a"]), whole=True)
    assert found.before is None
    assert found.gone.is_empty()


@pytest.mark.parametrize(("whole", "gone"), [(True, ["c", "a"]), (False, [])])
def test_of_several_rows_of_one_id_the_last_is_valid(whole: bool, gone: list[str]) -> None:
    before = ids(["a", "b", "c", "b", "a"])
    found = pair(ids(["new", "b"]), before, whole=whole)
    assert found.before is not None
    assert found.before.to_list() == [None, 3]
    assert found.gone_ids.to_list() == gone
    assert before.gather(found.gone).to_list() == gone
    assert found.gone.to_list() == ([2, 4] if whole else [])


def test_ids_of_the_same_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "hashes", lambda them: them.str.len_bytes().cast(pl.UInt64))
    found = pair(ids(["b", "x", "cc"]), ids(["a", "b", "cc"]), whole=True)
    assert found.before is not None
    assert found.before.to_list() == [1, None, 2]
    assert found.gone_ids.to_list() == ["a"]


@given(
    now=st.lists(st.tuples(IDS, st.none() | st.integers(0, 2)), unique_by=lambda row: row[0]),
    before=st.lists(st.tuples(IDS, st.none() | st.integers(0, 2))),
    whole=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_the_difference_is_that_of_two_dicts(
    now: list[tuple[str, int | None]], before: list[tuple[str, int | None]], whole: bool
) -> None:
    earlier, later = dict(before), dict(now)
    concerned = {*earlier, *later} if whole else {*later}
    expected = []
    for id_ in sorted(concerned):
        value, previous = later.get(id_), earlier.get(id_)
        if value != previous:
            name = "set" if previous is None else "cleared" if value is None else "changed"
            texts = [None if it is None else str(it) for it in (value, previous)]
            expected.append((id_, name, *texts))
    pairing = pair(ids([row[0] for row in now]), ids([row[0] for row in before]), whole=whole)
    found = difference(
        pairing, whole_numbers([row[1] for row in now]), whole_numbers([row[1] for row in before]), Kind.TRAIT
    )
    assert found.rows() == expected
