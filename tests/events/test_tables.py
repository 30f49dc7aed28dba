"""Tables in batches: all rows, in order, whatever the row groups of a file."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from audiences.errors import InputError
from audiences.events import tables
from audiences.events.tables import Source, Table, open_tables

ROWS = pl.DataFrame({"number": range(1_000), "text": [f"t{number % 7}" for number in range(1_000)]})


@pytest.fixture(params=["frame", "lazy", "small file", "row groups", "odd row groups", "large row groups", "no rows"])
def table(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    kind, path = request.param, tmp_path / "a.parquet"
    sizes = {"row groups": 100, "odd row groups": 7, "large row groups": 900}
    ROWS.write_parquet(path, row_group_size=sizes.get(kind, 512))
    if kind == "no rows":
        ROWS.clear().write_parquet(path)
    if kind != "small file":
        monkeypatch.setattr(tables, "_LARGE_FILE", 0)
        monkeypatch.setattr(tables, "TYPED_BATCH_ROWS", 150)
    sources: dict[str, Source] = {"frame": ROWS, "lazy": ROWS.lazy()}
    (found,) = open_tables(sources.get(kind, path), "events")
    return found


@pytest.mark.parametrize("rows", [1, 64, 150, 10_000])
def test_batches(table: Table, rows: int) -> None:
    expected = ROWS.head(table.rows)
    found = list(table.batches(["text", "number"], rows))
    assert all(0 < batch.height <= rows for batch in found)
    assert_frame_equal(
        pl.concat([expected.select("text", "number").clear(), *found]), expected.select("text", "number")
    )


@pytest.mark.parametrize(("first", "count"), [(0, 10), (3, 500), (990, 100), (1_000, 5), (7, None)])
def test_some_of_the_rows(table: Table, first: int, count: int | None) -> None:
    expected = ROWS.head(table.rows).slice(first, count)
    found = list(table.batches(["number"], 64, first, count))
    assert_frame_equal(pl.concat([expected.select("number").clear(), *found]), expected.select("number"))


def test_a_file_that_breaks_off_in_its_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_LARGE_FILE", 0)
    path = tmp_path / "a.parquet"
    ROWS.write_parquet(path, row_group_size=100, compression="uncompressed")
    whole = path.read_bytes()
    path.write_bytes(whole[:3_000] + bytes(2_000) + whole[5_000:])
    (found,) = open_tables(path, "events")
    with pytest.raises(InputError, match="can't be read"):
        list(found.batches(["number", "text"]))
