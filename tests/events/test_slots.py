"""Looking hashes up while rows stream by, against dictionaries and sets of Python."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiences.events.slots import Noted, Numbers

# Few lowest bits, so that very many of them want the same slot; 0 is what a free slot has.
HASHES = st.integers(0, 300).map(lambda number: number << 40 | number % 3) | st.sampled_from([0, 1, 2**64 - 1])


def unsigned(numbers: list[int]) -> pl.Series:
    return pl.Series(numbers, dtype=pl.UInt64)


@settings(deadline=None)
@given(st.lists(HASHES, max_size=200), st.lists(HASHES, max_size=200))
def test_numbers(known: list[int], asked: list[int]) -> None:
    numbers = Numbers(unsigned(known), pl.int_range(len(known), dtype=pl.UInt32, eager=True))
    expected: dict[int, int] = {}
    for number, one in enumerate(known):
        expected.setdefault(one, number)
    assert numbers.find(unsigned(asked)).to_list() == [expected.get(one) for one in asked]
    assert numbers.find(unsigned(known)).to_list() == [expected[one] for one in known]


@settings(deadline=None)
@given(st.lists(st.tuples(HASHES, HASHES), max_size=100), st.lists(st.tuples(HASHES, HASHES), max_size=100))
def test_what_was_never_noted_is_never_known(noted: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    memory = Noted(64)
    memory.note(pairs(noted))
    known = memory.is_noted(pairs([*noted, *others])).to_list()
    there = {*noted, (0, 0)}  # which is in free slots: no pair of hashes of a text
    assert all(one in there for one, is_known in zip([*noted, *others], known, strict=True) if is_known)


def test_the_last_one_is_remembered() -> None:
    memory = Noted(16)
    for number in range(1, 100):
        memory.note(pairs([(number, number)]))
        assert memory.is_noted(pairs([(number, number), (number, number + 1)])).to_list() == [True, False]


def pairs(found: list[tuple[int, int]]) -> pl.DataFrame:
    return pl.DataFrame(found, schema={"hash": pl.UInt64, "check": pl.UInt64}, orient="row")


@pytest.mark.parametrize("size", [0, 1, 17, 1_000])
def test_real_hashes(size: int) -> None:
    hashes = pl.int_range(size, eager=True).hash(seed=3)
    numbers = Numbers(hashes, pl.int_range(size, dtype=pl.UInt32, eager=True))
    assert numbers.find(hashes.reverse()).to_list() == list(range(size))[::-1]
    assert numbers.find(pl.int_range(size, size + 9, eager=True).hash(seed=3)).to_list() == [None] * 9
