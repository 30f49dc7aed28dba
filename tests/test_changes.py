from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from audiences.changes import all_new, counts, empty, first, named, typed_changes
from audiences.definitions.computation import Kind
from stateful import audience, snapshot, trait

Values = Mapping[str, str] | Sequence[str]


def changes(before: Values, after: Values, kind: Kind) -> pl.DataFrame:
    """The changes between two snapshots, those that differ found in plain Python."""
    earlier, later = (dict(snapshot(values).iter_rows()) for values in (before, after))
    rows = [
        {"id": id_, "value": later.get(id_), "previous": earlier.get(id_)}
        for id_ in {*earlier, *later}
        if earlier.get(id_) != later.get(id_)
    ]
    return named(pl.DataFrame(rows, schema={"id": pl.String, "value": pl.String, "previous": pl.String}), kind)


def test_an_audience_is_entered_and_exited() -> None:
    found = changes(["stays", "goes"], ["stays", "comes"], Kind.AUDIENCE)
    assert found.rows() == [("comes", "entered", "true", "false"), ("goes", "exited", "false", "true")]


def test_a_trait_is_set_changed_and_cleared() -> None:
    before = {"cleared": "1", "changed": "2", "same": "3"}
    after = {"same": "3", "changed": "2.5", "new": '"x"'}
    found = changes(before, after, Kind.TRAIT)
    assert found.rows() == [
        ("changed", "changed", "2.5", "2"),
        ("cleared", "cleared", None, "1"),
        ("new", "set", '"x"', None),
    ]


def test_a_value_of_another_type_is_a_change() -> None:
    assert changes({"p": "5"}, {"p": '"5"'}, Kind.TRAIT).rows() == [("p", "changed", '"5"', "5")]


def test_rows_come_in_code_point_order_whatever_the_order_of_the_input() -> None:
    found = changes([], (["b", "a", "Z", "é", "10", "9"]), Kind.AUDIENCE)
    assert found.get_column("id").to_list() == ["10", "9", "Z", "a", "b", "é"]


def test_no_difference_gives_an_empty_frame_with_all_columns() -> None:
    found = changes({"p": "1"}, {"p": "1"}, Kind.TRAIT)
    assert found.is_empty()
    assert found.schema == empty().schema == dict.fromkeys(("id", "change", "value", "previous"), pl.String())


def test_counts_name_every_change() -> None:
    found = changes({"a": "1", "b": "1"}, {"b": "2", "c": "1", "d": "1"}, Kind.TRAIT)
    assert counts(found) == {"entered": 0, "exited": 0, "set": 2, "changed": 1, "cleared": 1}
    assert counts(empty()) == dict.fromkeys(("entered", "exited", "set", "changed", "cleared"), 0)


def test_typed_changes_have_one_type_for_value_and_previous() -> None:
    found = changes({"a": "1", "b": "2"}, {"b": "3", "c": "4"}, Kind.TRAIT)
    shown = typed_changes(found, trait("t"))
    assert shown.schema["value"] == shown.schema["previous"] == pl.Int64
    assert shown.rows() == [("a", "cleared", None, 1), ("b", "changed", 3, 2), ("c", "set", 4, None)]


def test_typed_changes_of_an_audience_are_boolean() -> None:
    shown = typed_changes(changes(["a"], ["b"], Kind.AUDIENCE), audience("x"))
    assert shown.rows() == [("a", "exited", False, True), ("b", "entered", True, False)]
    nothing = typed_changes(empty(), audience("x"))
    assert nothing.schema["value"] == nothing.schema["previous"] == pl.Boolean


def test_in_a_first_run_everything_is_new() -> None:
    assert first(snapshot(["b", "a"]), Kind.AUDIENCE).rows() == [
        ("a", "entered", "true", "false"),
        ("b", "entered", "true", "false"),
    ]
    found = first(snapshot({"a": "5"}), Kind.TRAIT)
    assert found.rows() == [("a", "set", "5", None)]
    assert counts(found) == all_new(1, Kind.TRAIT)
    assert all_new(2, Kind.AUDIENCE) == {"entered": 2, "exited": 0, "set": 0, "changed": 0, "cleared": 0}
