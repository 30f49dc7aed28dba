"""space.yml and the files of environments: what is wrong with them, and what is laid over what."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from audiences.definitions.computation import InputPaths
from audiences.definitions.loader import load_project
from audiences.errors import DefinitionError


def project(root: Path, space: str | None, **files: str) -> Path:
    folder = root / "definitions"
    folder.mkdir()
    if space is not None:
        (folder / "space.yml").write_text(space, encoding="utf-8")
    for name, text in files.items():
        (folder / f"{name.replace('__', '.')}.yml").write_text(text, encoding="utf-8")
    return root


def test_a_folder_without_definitions_says_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"no folder 'definitions' here.*`audiences init`"):
        load_project(tmp_path)


def test_definitions_without_settings_say_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"no 'space.yml' in this folder.*`audiences init`"):
        load_project(project(tmp_path, None))


def test_empty_settings_have_defaults(tmp_path: Path) -> None:
    space = load_project(project(tmp_path, "")).space

    assert (space.id, space.slug) == ("spa_local", "local")
    assert space.state == str(tmp_path / ".audiences")
    assert space.sources.events is None
    assert space.as_of is None


def test_a_data_lakes_clock_skew(tmp_path: Path) -> None:
    skewed = "sources: {events: lake, max_clock_skew: 2 days}"
    root = project(tmp_path, skewed, space__dev="sources: {max_clock_skew: 36 hours}")

    assert load_project(root).space.sources == InputPaths(str(root / "lake"), max_clock_skew=timedelta(days=2))
    assert load_project(root, environment="dev").space.sources.max_clock_skew == timedelta(hours=36)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("identifers: [email]", "1:1: unknown key 'identifers', did you mean 'identifiers'?"),
        ("space: {id: a, slugg: b}", "1:16: unknown key 'slugg', did you mean 'slug'?"),
        ("sources: {event: data}", "1:11: unknown key 'event', did you mean 'events'?"),
        ("sources: data", "1:10: 'sources' must be a mapping, this is text"),
        ("sources: {events: [a, b]}", "1:11: 'events' must be text, this is a list"),
        ("sources: {max_clock_skew: 2}", "1:27: 'max_clock_skew' takes a duration (such as 2 days)"),
        ("state: 5", "1:8: 'state' must be text, this is a number (write '5' in quotes)"),
        ("as_of: today", "1:8: 'today' is not a date (such as 2024-01-31"),
        ("keep_history: 400", "1:15: 'keep_history' takes a duration (such as 400 days)"),
        ("keep_history: 1 year", "1:15: unknown unit 'year' (a year has no fixed length: write 365 days)"),
        ("keep_history: 999999999 days", "1:15: the duration '999999999 days' is too long"),
        ("identifiers: []", "1:1: 'identifiers' is empty"),
        ("identifiers: [email, email]", "1:1: 'email' is in the list twice"),
        ("schedule: daily", "1:11: 'daily' is not a cron expression of five fields"),
        ("schedule: on_new_data", "1:11: schedule on_new_data: not yet"),
        ("destinations: [crm]", "1:1: 'destinations' must be a mapping, this is a list"),
        ("destinations: {my crm: {type: jsonl, path: a}}", "1:16: 'my crm' can't be a name in 'destinations' (letters"),
        ("[a]", "1:1: settings are a mapping, this is a list"),
        ("space: {id: a}\nspace: {id: b}", "2:1: the key 'space' is given twice, first at line 1"),
        ("space: {id: yes}", "1:13: yes without quotes"),
        ("space: [", "not valid YAML"),
    ],
)
def test_settings_that_cannot_be_used_are_raised(tmp_path: Path, space: str, message: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        load_project(project(tmp_path, space))

    assert message in str(raised.value)
    assert "definitions/space.yml:" in str(raised.value)


def test_problems_of_settings_and_definitions_are_raised_together(tmp_path: Path) -> None:
    root = project(tmp_path, "stat: a\nidentifiers: 5\n", bad="traits:\n  - {key: t, frst: {}}\n")

    with pytest.raises(DefinitionError) as raised:
        load_project(root)

    places = [str(problem.where) for problem in raised.value.problems]
    assert places == ["definitions/space.yml:1:1", "definitions/space.yml:2:14", "definitions/bad.yml:2:14"]


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ("5", "1:21: a destination is a mapping, this is a number"),
        ("{path: out}", "1:16: destination 'crm' needs a type (one of jsonl, webhook"),
        ("{type: jsonll, path: out}", "1:28: unknown type 'jsonll' (did you mean 'jsonl'?)"),
        ("{type: jsonl}", "1:21: the key 'path' is missing"),
        ("{type: jsonl, path: out, confirmd: true}", "unknown key 'confirmd', did you mean 'confirmed'?"),
        ("{type: jsonl, path: out, confirmed: 1}", "'confirmed' must be true or false, this is a number"),
        ("{type: jsonl, path: out, send: [email]}", "'email' is no value of 'send'"),
        ("{type: jsonl, path: out, identifiers: [phone]}", "the space has no identifier 'phone'"),
        ("{type: webhook, url: 'https://x'}", "1:28: destinations of type 'webhook': not yet"),
        ("{type: segment}", "destinations of type 'segment': not yet"),
        ("{type: postgres}", "destinations of type 'postgres': not yet"),
        ("{type: csv_list}", "destinations of type 'csv_list': not yet"),
        ("{type: kafka}", "destinations of type 'kafka': not yet"),
        ("{type: webhook, api_key: abc}", "'api_key' is a secret and can't be written here"),
        ("{type: webhook, api_key: abc}", "write api_key: {env: API_KEY}"),
        ("{type: segment, write_key: abc}", "'write_key' is a secret"),
        ("{type: webhook, url: 'https://me:abc@x'}", "there is a password in 'url'"),
        ("{type: webhook, headers: {token: abc}}", "'token' is a secret"),
    ],
)
def test_a_destination_that_is_wrong_breaks_those_that_use_it(tmp_path: Path, destination: str, message: str) -> None:
    space = f"destinations: {{crm: {destination}, other: {{type: jsonl, path: out}}}}\n"
    definitions_file = (
        "traits:\n"
        "  - {key: sent, destinations: [crm], event_counter: {event: A}}\n"
        "  - {key: kept, destinations: [other], event_counter: {event: A}}\n"
    )

    definitions = load_project(project(tmp_path, space, some=definitions_file))

    assert any(message in str(problem) for problem in definitions.problems), definitions.problems
    assert list(definitions.space.destinations) == ["other"]
    assert list(definitions.computations) == ["kept"]
    assert definitions.broken == ("sent",)
    (broken,) = [problem for problem in definitions.problems if problem.key]
    assert broken.what.startswith("the destination 'crm' can't be used: ")
    assert "abc" not in " ".join(problem.what + problem.hint for problem in definitions.problems)


def test_what_is_not_yet_is_marked_so(tmp_path: Path) -> None:
    space = "destinations: {crm: {type: webhook, url: 'https://x', api_key: {env: CRM_API_KEY}}}\n"
    text = "traits:\n  - {key: sent, destinations: [crm], event_counter: {event: A}}\n"

    definitions = load_project(project(tmp_path, space, some=text))

    assert [problem.not_yet for problem in definitions.problems] == [True, True]


# ── environments ────────────────────────────────────────────────────────────────────────────────────────────

BASE = """\
space: {id: spa_demo}
as_of: 2010-12-10
sources: {events: data/events, profiles: data/profiles.parquet}
state: .audiences
destinations:
  crm: {type: jsonl, path: out/crm, confirmed: true}
  ads: {type: jsonl, path: out/ads}
"""


def test_an_environment_is_laid_over(tmp_path: Path) -> None:
    dev = """\
sources: {events: data/small}
state: .audiences-dev
destinations:
  crm: {path: dev/crm}
  ads: {type: jsonl, path: dev/ads, send: track}
  new: {type: jsonl, path: dev/new}
"""
    root = project(tmp_path, BASE, space__dev=dev)

    space = load_project(root, environment="dev").space

    assert space.environment == "dev"
    assert space.id == "spa_demo"
    assert space.sources.events == str(tmp_path / "data/small")
    assert space.sources.profiles == str(tmp_path / "data/profiles.parquet")
    assert space.state == str(tmp_path / ".audiences-dev")
    assert space.destinations["crm"].settings == {"path": str(tmp_path / "dev/crm"), "confirmed": True}
    assert space.destinations["ads"].settings == {
        "path": str(tmp_path / "dev/ads"),
        "confirmed": False,
        "send": ["track"],
    }
    assert list(space.destinations) == ["crm", "ads", "new"]
    plain = load_project(root).space
    assert plain.environment is None
    assert plain.sources.events == str(tmp_path / "data/events")


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ("as_of: 2011-01-01", "space.dev.yml:1:1: 'as_of' is the same in all environments (write it in space.yml)"),
        ("stte: a", "space.dev.yml:1:1: unknown key 'stte', did you mean 'state'?"),
        ("state: [a]", "space.dev.yml:1:1: 'state' must be text, this is a list"),
        ("sources: {evnts: a}", "space.dev.yml:1:11: unknown key 'evnts', did you mean 'events'?"),
    ],
)
def test_an_environment_that_is_wrong(tmp_path: Path, overlay: str, message: str) -> None:
    root = project(tmp_path, BASE, space__dev=overlay)

    with pytest.raises(DefinitionError) as raised:
        load_project(root, environment="dev")

    assert message in str(raised.value)
    assert load_project(root).problems == ()


@pytest.mark.parametrize("environment", ["prod", "de", "../dev", "", "dev.yml"])
def test_an_environment_that_is_missing(tmp_path: Path, environment: str) -> None:
    root = project(tmp_path, BASE, space__dev="")

    with pytest.raises(DefinitionError, match="no environment"):
        load_project(root, environment=environment)


def test_the_nearest_environment_is_named(tmp_path: Path) -> None:
    root = project(tmp_path, BASE, space__staging="")

    with pytest.raises(DefinitionError, match="did you mean 'staging'"):
        load_project(root, environment="stagin")
