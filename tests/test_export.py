"""Downloads against files written by hand, read again by Python's csv module."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from audiences import csv_ranges
from audiences.definitions.computation import Definitions, Level
from audiences.errors import DefinitionError, DeliveryError, StateError
from audiences.export import Format, export, file_name
from audiences.state import State
from stateful import COMPUTED_AT, audience, committed, day, definitions, profile, profiles, result, trait

BIG = audience("big")
SPENT = trait("spent")
TAGS = trait("tags", definition="event('A').unique(property('p'))")

PEOPLE = profiles(
    profile(
        "p1",
        ("email", "b@example.com", day(2)),
        ("email", "a@example.com", day(1)),
        ("user_id", "u1"),
        ("phone", "+331"),
        traits='{"first_name":"Ann","note":"=1+1","age":30,"balance":-5,"tags":["x",1],"address":{"city":"Köln"}}',
    ),
    profile("p2", ("email", "c@example.com"), ("user_id", "u2"), ("user_id", "u2b"), ("user_id", "u2c")),
    profile("p3", traits='{"first_name":"Zoë \\"Z\\", Jr.","note":"two\\nlines"}'),
)


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State.open(str(tmp_path / "state"), create=True)
    values = {"p1": "30", "p2": "-17.5", "p3": '"=cmd()"'}
    tags = {"p1": '["a","b"]', "p2": '["=x"]'}
    return committed(state, result(day(5), [(BIG, ["p1", "p2", "p3"]), (SPENT, values), (TAGS, tags)], PEOPLE))


@pytest.fixture
def known(tmp_path: Path) -> Definitions:
    return definitions(tmp_path, BIG, SPENT, TAGS)


def written(state: Any, known: Definitions, key: str, format: str, **more: Any) -> str:
    stream = io.BytesIO()
    done = export(state, known, key, format, stream, **more)
    text = stream.getvalue().decode()
    assert done.rows == len(cells(text)) - 1
    return text


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


IDS_1 = '{"email":["a@example.com","b@example.com"],"phone":["+331"],"user_id":["u1"]}'
IDS_2 = '{"email":["c@example.com"],"user_id":["u2","u2b","u2c"]}'


def test_unformatted_audience_byte_by_byte(state: State, known: Definitions) -> None:
    assert written(state, known, "big", "unformatted") == (
        "key,external_ids\r\n"
        'p1,"{""email"":[""a@example.com"",""b@example.com""],""phone"":[""+331""],""user_id"":[""u1""]}"\r\n'
        'p2,"{""email"":[""c@example.com""],""user_id"":[""u2"",""u2b"",""u2c""]}"\r\n'
        "p3,{}\r\n"
    )


def test_unformatted_trait(state: State, known: Definitions) -> None:
    assert cells(written(state, known, "spent", "unformatted")) == [
        ["key", "value", "external_ids"],
        ["p1", "30", IDS_1],
        ["p2", "-17.5", IDS_2],
        ["p3", "'=cmd()", "{}"],
    ]


def test_columns(state: State, known: Definitions) -> None:
    assert cells(written(state, known, "big", "columns")) == [
        ["key", "external_ids", "user_id", "user_id_1", "user_id_2", "email", "email_1", "phone"],
        ["p1", IDS_1, "u1", "", "", "a@example.com", "b@example.com", "+331"],
        ["p2", IDS_2, "u2", "u2b", "u2c", "c@example.com", "", ""],
        ["p3", "{}", "", "", "", "", "", ""],
    ]


def test_columns_of_a_trait_have_the_value(state: State, known: Definitions) -> None:
    text = written(state, known, "tags", "columns")
    assert [row[:2] for row in cells(text)] == [["key", "value"], ["p1", '["a","b"]'], ["p2", '["=x"]']]


def test_rows(state: State, known: Definitions) -> None:
    assert cells(written(state, known, "big", "rows")) == [
        ["key", "external_ids", "user_id", "email", "phone"],
        ["p1", IDS_1, "u1", "a@example.com", "+331"],
        ["p1", IDS_1, "", "b@example.com", ""],
        ["p2", IDS_2, "u2", "c@example.com", ""],
        ["p2", IDS_2, "u2b", "", ""],
        ["p2", IDS_2, "u2c", "", ""],
        ["p3", "{}", "", "", ""],
    ]


def test_rows_of_a_trait_repeat_the_value_and_the_traits(state: State, known: Definitions) -> None:
    assert cells(written(state, known, "spent", "rows", traits=["first_name"]))[:3] == [
        ["key", "value", "external_ids", "first_name", "user_id", "email", "phone"],
        ["p1", "30", IDS_1, "Ann", "u1", "a@example.com", "+331"],
        ["p1", "30", IDS_1, "Ann", "", "b@example.com", ""],
    ]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest().upper()


def test_ads_hashes_each_trimmed_lower_case_address_once(tmp_path: Path, known: Definitions) -> None:
    people = profiles(
        profile("p1", ("email", " Ann@Example.COM "), ("email", "bob@example.com")),
        profile("p2", ("email", "ann@example.com"), ("email", "  ")),
        profile("p3", ("email", "ÄRA@example.com"), ("user_id", "u")),
    )
    state = State.open(str(tmp_path / "ads"), create=True)
    committed(state, result(day(1), [(BIG, ["p1", "p2", "p3"])], people))
    expected = sorted([sha("ann@example.com"), sha("bob@example.com"), sha("ära@example.com")])
    assert written(state, known, "big", "ads") == "".join(f"{line}\r\n" for line in ["email", *expected])


def test_trait_columns_custom_and_computed(state: State, known: Definitions) -> None:
    names = ["first_name", "age", "balance", "tags", "address.city", "spent", "unknown"]
    text = written(state, known, "big", "unformatted", traits=names)
    assert cells(text) == [
        ["key", "external_ids", *names],
        ["p1", IDS_1, "Ann", "30", "-5", '["a","b"]', "Köln", "30", ""],
        ["p2", IDS_2, "", "", "", '["=x"]', "", "-17.5", ""],
        ["p3", "{}", 'Zoë "Z", Jr.', "", "", "", "", "'=cmd()", ""],
    ]


def test_an_audience_as_a_trait_column_is_true_or_false_for_everyone(tmp_path: Path, known: Definitions) -> None:
    state = State.open(str(tmp_path / "two"), create=True)
    committed(state, result(day(1), [(BIG, ["p1", "p2"]), (audience("few"), ["p2"])], PEOPLE))
    assert [row[2] for row in cells(written(state, known, "big", "unformatted", traits=["few"]))] == [
        "few",
        "false",
        "true",
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_a_spreadsheet_would_run_is_text(start: str, tmp_path: Path, known: Definitions) -> None:
    dangerous = f"{start}cmd"
    people = profiles(profile(dangerous, ("email", dangerous), traits='{"plain":"a=b"}'))
    state = State.open(str(tmp_path / "formulas"), create=True)
    text = {"\t": "\\t", "\r": "\\r"}.get(start, start)
    committed(state, result(day(1), [(SPENT, {dangerous: f'"{text}cmd"'})], people))
    guarded = cells(written(state, known, "spent", "columns", traits=["plain"]))
    assert guarded[1][0] == guarded[1][1] == f"'{dangerous}"
    assert guarded[1][3:] == ["a=b", dangerous]  # the identifier is left as it is
    raw = cells(written(state, known, "spent", "columns", raw=True))
    assert raw[1][0] == raw[1][1] == dangerous


def test_headings_are_guarded_too(state: State, known: Definitions) -> None:
    assert cells(written(state, known, "big", "unformatted", traits=["=x"]))[0][-1] == "'=x"
    assert cells(written(state, known, "big", "unformatted", traits=["=x"], raw=True))[0][-1] == "=x"


def test_rows_come_in_code_point_order(tmp_path: Path, known: Definitions) -> None:
    ids = ["b", "a", "Z", "é", "10", "9", "€"]
    state = State.open(str(tmp_path / "order"), create=True)
    committed(state, result(day(1), [(BIG, ids)], profiles()))
    text = written(state, known, "big", "unformatted")
    assert [row[0] for row in cells(text)[1:]] == ["10", "9", "Z", "a", "b", "é", "€"]


def test_an_empty_audience_has_a_header(tmp_path: Path, known: Definitions) -> None:
    state = State.open(str(tmp_path / "empty"), create=True)
    committed(state, result(day(1), [(BIG, [])], PEOPLE))
    assert written(state, known, "big", "unformatted") == "key,external_ids\r\n"
    assert written(state, known, "big", "columns") == "key,external_ids\r\n"
    assert written(state, known, "big", "ads") == "email\r\n"


@pytest.mark.parametrize("format", ["unformatted", "columns", "rows", "ads"])
def test_batches_do_not_show(format: str, tmp_path: Path, known: Definitions, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [
        profile(f"p{number:03d}", *(("email", f"{number}-{place}@example.com") for place in range(number % 4)))
        for number in range(100)
    ]
    state = State.open(str(tmp_path / "many"), create=True)
    committed(state, result(day(1), [(BIG, [row["id"] for row in people])], profiles(*people)))
    whole = written(state, known, "big", format)
    monkeypatch.setattr(csv_ranges, "PROFILES_PER_RANGE", 8)
    monkeypatch.setattr(csv_ranges, "RANGES_PER_READ", 3)
    assert written(state, known, "big", format) == whole


def test_columns_that_only_the_last_range_needs(
    tmp_path: Path, known: Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_ranges, "PROFILES_PER_RANGE", 2)
    monkeypatch.setattr(csv_ranges, "RANGES_PER_READ", 2)
    people = [profile(f"p{number}", ("email", f"{number}@example.com")) for number in range(1, 9)]
    people.append(profile("p9", ("email", "9@example.com"), ("email", "nine@example.com"), ("user_id", "u9")))
    state = State.open(str(tmp_path / "late"), create=True)
    committed(state, result(day(1), [(BIG, [row["id"] for row in people])], profiles(*people)))
    rows = cells(written(state, known, "big", "columns"))
    assert rows[0] == ["key", "external_ids", "user_id", "email", "email_1"]
    assert [row[2:] for row in rows[1:9]] == [["", f"{number}@example.com", ""] for number in range(1, 9)]
    assert rows[9][2:] == ["u9", "9@example.com", "nine@example.com"]
    assert [row[2:] for row in cells(written(state, known, "big", "rows"))[8:]] == [
        ["", "8@example.com"],
        ["u9", "9@example.com"],
        ["", "nine@example.com"],
    ]


def test_a_profile_that_is_gone_is_listed_without_identifiers(tmp_path: Path, known: Definitions) -> None:
    state = State.open(str(tmp_path / "gone"), create=True)
    committed(state, result(day(1), [(BIG, ["p1", "ghost"])], PEOPLE))
    rows = cells(written(state, known, "big", "unformatted", traits=["first_name"]))
    assert rows[1:] == [["ghost", "{}", ""], ["p1", IDS_1, "Ann"]]


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_into_a_folder_under_a_name_that_says_what_it_is(state: State, known: Definitions, tmp_path: Path) -> None:
    done = export(state, known, "big", Format.ROWS, tmp_path)
    assert done.path == tmp_path / "big_rows_2024-01-05T000000Z.csv"
    assert (done.rows, done.as_of, done.computed_at, done.run) == (6, day(5), COMPUTED_AT, 1)
    assert cells(done.path.read_text(encoding="utf-8"))[1][0] == "p1"


def test_file_names() -> None:
    as_of = datetime(2010, 12, 10, 8, 30, 0, 500000, tzinfo=UTC)
    assert file_name("big", "ads", as_of) == "big_ads_2010-12-10T083000.5Z.csv"


def test_to_a_file_of_a_given_name(state: State, known: Definitions, tmp_path: Path) -> None:
    target = tmp_path / "mine.csv"
    target.write_text("old")
    assert export(state, known, "big", "ads", str(target)).path == target
    assert target.read_text().startswith("email")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.csv", "state"]


def test_a_file_that_cannot_be_written(state: State, known: Definitions, tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match=r"nowhere/x\.csv: can't write the CSV: No such file or directory"):
        export(state, known, "big", "rows", tmp_path / "nowhere" / "x.csv")


def test_nothing_is_left_of_a_file_that_failed(
    state: State, known: Definitions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    with pytest.raises(DeliveryError, match="No space left on device"):
        export(state, known, "big", "rows", tmp_path / "x.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


# ── earlier runs and drafts ─────────────────────────────────────────────────────────────────────────────────


def test_the_snapshot_of_an_earlier_run(state: State, known: Definitions) -> None:
    committed(state, result(day(6), [(BIG, ["p2"]), (SPENT, {"p2": "99"})], PEOPLE))
    committed(state, result(day(7), [(BIG, [])], PEOPLE))
    stream = io.BytesIO()
    done = export(state, known, "big", "unformatted", stream, as_of=day(6), traits=["spent"])
    assert (done.as_of, done.run) == (day(6), 2)
    assert cells(stream.getvalue().decode())[1:] == [["p2", IDS_2, "99"]]
    first = cells(written(state, known, "big", "unformatted", run=1, traits=["spent"]))
    assert [(row[0], row[2]) for row in first[1:]] == [("p1", "30"), ("p2", "-17.5"), ("p3", "'=cmd()")]


def test_a_draft_can_be_exported(state: State, known: Definitions) -> None:
    draft = state.draft(result(day(8), [(BIG, ["p3"])], PEOPLE))
    assert cells(written(draft, known, "big", "unformatted")) == [["key", "external_ids"], ["p3", "{}"]]


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────────


def refused(state: State, known: Definitions, key: str = "big", format: str = "columns", **more: Any) -> None:
    export(state, known, key, format, io.BytesIO(), **more)


def test_an_unknown_key(state: State, known: Definitions) -> None:
    with pytest.raises(DefinitionError, match=r"no computation has the key 'bog' \(did you mean 'big'\?\)"):
        refused(state, known, "bog")


def test_an_unknown_format(state: State, known: Definitions) -> None:
    with pytest.raises(DefinitionError, match=r"unknown CSV format 'colums' \(did you mean 'columns'\?\)"):
        refused(state, known, format="colums")


def test_ads_are_not_for_traits(state: State, known: Definitions) -> None:
    with pytest.raises(DefinitionError, match="'spent' is a trait: the format 'ads' is for audiences"):
        refused(state, known, "spent", "ads")
    with pytest.raises(DefinitionError, match="has no trait columns"):
        refused(state, known, "big", "ads", traits=["spent"])


def test_a_trait_column_twice(state: State, known: Definitions) -> None:
    with pytest.raises(DefinitionError, match="'spent' is named twice"):
        refused(state, known, traits=["spent", "spent"])


def test_a_path_into_an_array_is_no_column(state: State, known: Definitions) -> None:
    with pytest.raises(DefinitionError, match="reaches into arrays"):
        refused(state, known, traits=["tags.$"])


def test_what_was_not_computed_yet(state: State, tmp_path: Path) -> None:
    both = definitions(tmp_path, BIG, audience("later"))
    with pytest.raises(StateError, match=r"'later' was not computed.*audiences run later"):
        refused(state, both, "later")
    with pytest.raises(StateError, match="there is no run at or before 2024-01-04"):
        refused(state, both, "big", as_of=day(4))


def test_a_state_that_cannot_be_read(state: State, known: Definitions, tmp_path: Path) -> None:
    for path in (tmp_path / "state" / "profiles").rglob("*.parquet"):
        path.unlink()
    with pytest.raises(StateError, match=r"state: can't read the state"):
        refused(state, known)


# ── accounts ────────────────────────────────────────────────────────────────────────────────────────────────

RISKY = audience("risky", level=Level.ACCOUNT)
SEATS = trait("seats", level=Level.ACCOUNT)
STAFF = profiles(
    profile("acme", ("email", "acme@example.com"), traits='{"first_name":"Al"}', account_ids=["other"]),
    profile("p1", ("email", "a@example.com"), traits='{"first_name":"Ann"}', account_ids=["acme", "beta"]),
    profile("p2", ("user_id", "u2"), account_ids=["acme"]),
    profile("p3", ("anonymous_id", "cookie"), account_ids=["acme"]),
    profile("p4", ("email", "d@example.com"), account_ids=["other"]),
)


@pytest.fixture
def companies(tmp_path: Path) -> State:
    state = State.open(str(tmp_path / "companies"), create=True)
    values = [(RISKY, ["acme", "beta"]), (SEATS, {"acme": "5", "other": "7"}), (BIG, ["p1"])]
    return committed(state, result(day(1), values, STAFF))


def test_an_account_level_audience_lists_accounts(companies: State, tmp_path: Path) -> None:
    known = definitions(tmp_path, RISKY, SEATS)
    # There is a profile of the same id: an account is not that profile.
    listed = [["key", "external_ids"], ["acme", "{}"], ["beta", "{}"]]
    assert cells(written(companies, known, "risky", "unformatted")) == listed
    assert cells(written(companies, known, "risky", "columns")) == listed
    assert cells(written(companies, known, "risky", "rows")) == listed
    assert cells(written(companies, known, "seats", "columns")) == [
        ["key", "value", "external_ids"],
        ["acme", "5", "{}"],
        ["other", "7", "{}"],
    ]


def test_or_the_users_of_the_accounts(companies: State, tmp_path: Path) -> None:
    known = definitions(tmp_path, RISKY)
    assert cells(written(companies, known, "risky", "columns", users=True, traits=["first_name", "big"])) == [
        ["key", "external_ids", "first_name", "big", "user_id", "email"],
        ["p1", '{"email":["a@example.com"]}', "Ann", "true", "", "a@example.com"],
        ["p2", '{"user_id":["u2"]}', "", "false", "u2", ""],
    ]
    digest = hashlib.sha256(b"a@example.com").hexdigest().upper()
    assert cells(written(companies, known, "risky", "ads", users=True)) == [["email"], [digest]]
    everyone = definitions(tmp_path, replace(RISKY, include_anonymous_users=True))
    assert [row[0] for row in cells(written(companies, everyone, "risky", "rows", users=True))] == [
        *("key", "p1", "p2", "p3")
    ]
    done = export(companies, known, "risky", "rows", tmp_path, users=True)
    assert done.path is not None and done.path.name == "risky_users_rows_2024-01-01T000000Z.csv"


def test_the_users_of_accounts_in_batches(companies: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_ranges, "PROFILES_PER_RANGE", 1)
    monkeypatch.setattr(csv_ranges, "RANGES_PER_READ", 2)
    text = written(companies, definitions(tmp_path, RISKY), "risky", "unformatted", users=True)
    assert [row[0] for row in cells(text)] == ["key", "p1", "p2"]


def test_the_users_of_accounts_at_an_earlier_run(companies: State, tmp_path: Path) -> None:
    committed(companies, result(day(2), [(RISKY, ["other"])], STAFF))
    known = definitions(tmp_path, RISKY)
    now = cells(written(companies, known, "risky", "unformatted", users=True))
    assert [row[0] for row in now] == ["key", "acme", "p4"]
    then = cells(written(companies, known, "risky", "unformatted", users=True, as_of=day(1)))
    assert [row[0] for row in then] == ["key", "p1", "p2"]


@pytest.mark.parametrize(
    ("key", "more", "message"),
    [
        ("risky", {"format": "ads"}, "accounts have no e-mail addresses.*--users"),
        ("risky", {"traits": ["big"]}, "trait columns are for users.*--users"),
        ("seats", {"traits": ["big"]}, "trait columns are for users"),
        ("seats", {"users": True}, "'seats' is a trait: the users of accounts are listed for account-level audiences"),
        ("big", {"users": True}, "'big' is user-level: the users of accounts"),
        ("big", {"traits": ["risky"]}, "'risky' is account-level: its values can't be added to profiles"),
        ("risky", {"users": True, "traits": ["seats"]}, "'seats' is account-level"),
    ],
)
def test_what_does_not_fit_accounts(
    companies: State, tmp_path: Path, key: str, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        refused(companies, definitions(tmp_path, RISKY, SEATS, BIG), key, **more)
