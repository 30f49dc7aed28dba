"""Projects, files and mappings: what comes out of them, and what survives when something is wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from audiences.definitions.computation import (
    NO_DEFAULT,
    IdentifierStrategy,
    Kind,
    Level,
    Strategy,
)
from audiences.definitions.loader import (
    load_file,
    load_mappings,
    load_project,
    warnings_against_traits,
)
from audiences.errors import DefinitionError, Location
from audiences.language.parse import parse

SPACE = """\
space: {id: spa_demo, slug: demo}
sources:
  events: data/events            # a folder or a glob; relative to the project
  profiles: data/profiles.parquet
  accounts: data/accounts.parquet
state: .audiences                # a folder or s3://…
as_of: 2010-12-10T00:00:00Z      # optional: a fixed clock
keep_history: 400 days
identifiers: [user_id, email, android.idfa, ios.idfa, anonymous_id]
schedule: "0 6 * * *"
destinations:
  crm: {type: jsonl, path: out/crm, confirmed: true, send: [identify]}
  ads: {type: jsonl, path: "s3://bucket/ads", identifiers: [email]}
"""

REVENUE = """\
# yaml-language-server: $schema=definitions.schema.json
traits:
  - key: total_revenue_180_days
    name: Total revenue, last 180 days
    definition: event('Order Completed').within(180 days).sum(property('revenue'))
    destinations: [crm]

  - key: favourite_category            # the same language, structured
    name: Favourite category
    most_frequent: {event: Product Viewed, property: category, minimum_frequency: 2}
    within: 90 days

audiences:
  - key: big_spenders
    name: Big spenders
    definition: trait('total_revenue_180_days') > 500
    schedule: "0 */8 * * *"            # cron, UTC; default from space.yml
    destinations:
      - crm
      - destination: ads
        identifiers: [{type: email, strategy: last_added}]
        enrich: [first_name, total_revenue_180_days]

  - key: employees
    definition: trait('email').ends_with('@example.com')

  - key: abandoned_cart
    name: Abandoned cart
    all:
      - event: Product Added
        where: [{property: price, greater_than: 20}]
        within: 7 days
        then_not: {event: Order Completed, within: 1 day, wait: true,
                   where: [{property: cart_id, equals: {parent: cart_id}}]}
      - none: [{audience: employees}]

  - key: at_risk_accounts
    level: account
    all:
      - {trait: plan, equals: business}
      - none_of_the_users: [{event: User Logged In, within: 30 days}]
"""


def project(root: Path, files: Mapping[str, str]) -> Path:
    """A project with these files below ``definitions``."""
    for name, text in {"space.yml": "", **files}.items():
        path = root / "definitions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_the_documented_project(tmp_path: Path) -> None:
    root = project(tmp_path, {"space.yml": SPACE, "ecommerce/revenue.yml": REVENUE})

    definitions = load_project(root)

    assert definitions.problems == ()
    assert definitions.warnings == ()
    assert list(definitions.computations) == [
        "total_revenue_180_days",
        "favourite_category",
        "big_spenders",
        "employees",
        "abandoned_cart",
        "at_risk_accounts",
    ]
    revenue = definitions.computations["total_revenue_180_days"]
    assert revenue.kind == Kind.TRAIT
    assert revenue.level == Level.USER
    assert revenue.group == "ecommerce"
    assert revenue.default is NO_DEFAULT
    assert revenue.schedule == "0 6 * * *"
    assert revenue.written_as == "query"
    assert revenue.location == Location("definitions/ecommerce/revenue.yml", 3, 5)
    assert [entry.destination for entry in revenue.destinations] == ["crm"]
    favourite = definitions.computations["favourite_category"]
    assert favourite.written_as == "structured"
    assert favourite.expression == parse("event('Product Viewed').within(90 days).mode(property('category'), 2)")
    spenders = definitions.computations["big_spenders"]
    assert spenders.schedule == "0 */8 * * *"
    assert spenders.destinations[1].identifiers == (IdentifierStrategy("email", Strategy.LAST_ADDED),)
    assert spenders.destinations[1].enrich == ("first_name", "total_revenue_180_days")
    assert spenders.destinations[1].location == Location("definitions/ecommerce/revenue.yml", 20, 9)
    cart = definitions.computations["abandoned_cart"]
    assert cart.expression == parse(
        "event('Product Added').where(property('price') > 20 AND event('Order Completed')"
        ".where(property('cart_id') = property(parent: 'cart_id')).within(parent: 1 day).count() = 0)"
        ".between(1 day, 8 days).count() >= 1 AND NOT (trait('employees') = true)"
    )
    accounts = definitions.computations["at_risk_accounts"]
    assert accounts.level == Level.ACCOUNT
    assert accounts.expression == parse(
        "trait('plan') = 'business' AND NOT ANY (event('User Logged In').within(30 days).count() >= 1)"
    )


def test_the_space(tmp_path: Path) -> None:
    space = load_project(project(tmp_path, {"space.yml": SPACE})).space

    assert (space.id, space.slug, space.root) == ("spa_demo", "demo", tmp_path)
    assert space.sources.events == str(tmp_path / "data/events")
    assert space.sources.profiles == str(tmp_path / "data/profiles.parquet")
    assert space.sources.suppressed is None
    assert space.state == str(tmp_path / ".audiences")
    assert space.as_of == datetime(2010, 12, 10, tzinfo=UTC)
    assert space.keep_history == timedelta(days=400)
    assert space.identifiers == ("user_id", "email", "android.idfa", "ios.idfa", "anonymous_id")
    assert space.destinations["crm"].settings == {
        "path": str(tmp_path / "out/crm"),
        "confirmed": True,
        "send": ["identify"],
    }
    assert space.destinations["crm"].location == Location("definitions/space.yml", 12, 3)
    assert space.destinations["ads"].settings == {
        "path": "s3://bucket/ads",
        "confirmed": False,
        "identifiers": [{"type": "email", "strategy": "all"}],
    }


def test_everything_a_computation_can_say(tmp_path: Path) -> None:
    text = """\
audiences:
  - key: a
    name: A
    description: One line.
    owner: team:growth
    tags: [x, y]
    enabled: false
    level: account
    include_anonymous_users: true
    events_since: 2010-01-31
    schedule: manual
    compute_without_destinations: false
    destinations:
      - destination: crm
        send: [group, track]
        identifiers: [user_id, {type: email, strategy: first_added}]
        event_names: {entered: Came, exited: Went}
        key: other_name
        first_sync: changes_only
    definition: trait('plan') = 'x'
traits:
  - key: t
    default: [x, y]
    events_since: "2010-01-31T12:00:00+02:00"
    definition: event('A').unique(property('p'))
"""
    definitions = load_project(project(tmp_path, {"space.yml": SPACE, "all.yml": text}))

    assert definitions.problems == ()
    audience = definitions.computations["a"]
    assert (audience.name, audience.description, audience.owner) == ("A", "One line.", "team:growth")
    assert audience.tags == ("x", "y")
    assert not audience.enabled
    assert audience.include_anonymous_users
    assert audience.events_since == datetime(2010, 1, 31, tzinfo=UTC)
    assert audience.schedule is None
    assert not audience.compute_without_destinations
    assert audience.group == ""
    (entry,) = audience.destinations
    assert entry.send == ("group", "track")
    assert entry.identifiers == (
        IdentifierStrategy("user_id", Strategy.ALL),
        IdentifierStrategy("email", Strategy.FIRST_ADDED),
    )
    assert entry.event_names == {"entered": "Came", "exited": "Went"}
    assert (entry.key, entry.first_sync) == ("other_name", "changes_only")
    trait = definitions.computations["t"]
    assert trait.default == ["x", "y"]
    assert trait.events_since == datetime(2010, 1, 31, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "definition", "default"),
    [
        ("0", "event('A').count()", 0),
        ("1.5", "event('A').sum(property('p'))", 1.5),
        ("none", "event('A').mode(property('p'))", "none"),
        ("false", "trait('x')", False),
        ("2024-01-31", "event('A').last(property('p'))", "2024-01-31"),
        ("{a: [1, 2]}", "event('A').last(property('p'))", {"a": [1, 2]}),
        ("[]", "event('A').unique(property('p'))", []),
    ],
)
def test_defaults(tmp_path: Path, written: str, definition: str, default: object) -> None:
    text = f"traits:\n  - key: t\n    default: {written}\n    definition: {definition}\n"

    definitions = load_project(project(tmp_path, {"a.yml": text}))

    assert definitions.problems == ()
    assert definitions.computations["t"].default == default


def test_files_and_folders(tmp_path: Path) -> None:
    trait = "traits:\n  - {{key: {key}, event_counter: {{event: A}}}}\n"
    files = {
        "b.yml": trait.format(key="second"),
        "a.yaml": trait.format(key="first"),
        "z/y/deep.yml": trait.format(key="deep"),
        "space.dev.yml": "state: elsewhere\n",
        "z/space.yml": trait.format(key="not_the_settings"),
        "empty.yml": "",
        "comments.yml": "# nothing\n",
        "no_entries.yml": "traits:\naudiences: []\n",
        ".hidden.yml": "nonsense",
        ".git/a.yml": "nonsense",
        "notes.txt": "not YAML",
    }

    definitions = load_project(project(tmp_path, files))

    assert definitions.problems == ()
    groups = {key: computation.group for key, computation in definitions.computations.items()}
    assert groups == {"first": "", "second": "", "not_the_settings": "z", "deep": "z/y"}
    assert [str(warning) for warning in definitions.warnings] == [
        "definitions/notes.txt: not read: 'definitions' holds YAML files, *.yml"
    ]


def test_one_broken_definition_does_not_stop_the_others(tmp_path: Path) -> None:
    files = {
        "good.yml": "traits:\n  - {key: good, event_counter: {event: A}}\n",
        "broken.yml": "traits: [\n",
        "mixed.yml": (
            "traits:\n  - {key: bad, event_counter: {evnt: A}}\n  - {key: fine, event_counter: {event: A}}\n"
        ),
        "twice.yml": "audiences:\n  - key: doubled\n    name: a\n    name: b\n    all: [{trait: x, exists: true}]\n",
    }

    definitions = load_project(project(tmp_path, files))

    assert list(definitions.computations) == ["good", "fine"]
    assert definitions.broken == ("bad", "doubled")
    assert [problem.where.file for problem in definitions.problems] == [
        "definitions/broken.yml",
        "definitions/mixed.yml",
        "definitions/mixed.yml",
        "definitions/twice.yml",
    ]
    assert definitions.problems[0].key == ""


BROKEN = {
    "not YAML": "traits:\n  - key: revenue\n    definition: a: b\n  - {key: orders, event_counter: {event: A}}\n",
    "a list twice": (
        "traits: []\ntraits:\n  - {key: revenue, event_counter: {event: A}}\n  - key: orders\n    trait: x\n"
    ),
    "no list": "traits: {- {key: revenue}, - {key: 'orders'}}",
    "a misspelt list": "trats:\n  - name: Revenue\n    key: revenue\n    trait: x\n  - {key: orders, trait: x}\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_what_a_broken_file_declares_is_not_taken_for_custom_traits(tmp_path: Path, text: str) -> None:
    files = {
        "broken.yml": text,
        "users.yml": (
            "audiences:\n"
            "  - {key: a, definition: trait('revenue') > 5}\n"
            "  - {key: b, all: [{audience: orders}]}\n"
            "  - {key: c, definition: trait('custom') > 5}\n"
        ),
    }

    definitions = load_project(project(tmp_path, files))

    assert list(definitions.computations) == ["c"]
    problem, first, second = definitions.problems
    assert problem.key == ""
    assert first.what == "it uses 'revenue', which is broken"
    assert "see definitions/broken.yml:" in first.hint
    assert second.what == "it uses 'orders', which is broken"


def test_a_link_to_nowhere_is_a_problem(tmp_path: Path) -> None:
    root = project(tmp_path, {"a.yml": "traits:\n  - {key: a, event_counter: {event: A}}\n"})
    (root / "definitions/link.yml").symlink_to("nowhere.yml")

    definitions = load_project(root)

    assert [str(problem) for problem in definitions.problems] == [
        "definitions/link.yml: can't be read: No such file or directory"
    ]
    assert list(definitions.computations) == ["a"]


# ── single files ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_single_file(tmp_path: Path) -> None:
    path = tmp_path / "one.yml"
    path.write_text("audiences:\n  - {key: a, destinations: [anything], definition: trait('x') = 1}\n")

    definitions = load_file(path)

    assert definitions.problems == ()
    assert definitions.computations["a"].location == Location(str(path), 2, 5)


def test_a_single_file_in_a_project(tmp_path: Path) -> None:
    root = project(tmp_path, {"space.yml": SPACE, "ecommerce/revenue.yml": REVENUE})
    path = tmp_path / "new.yml"
    path.write_text(
        "audiences:\n"
        "  - {key: a, destinations: [nowhere], definition: trait('x') = 1}\n"
        "  - {key: b, all: [{audience: big_spenders}]}\n"
        "  - {key: employees, all: [{audience: b}]}\n"
    )

    definitions = load_file(path, project=load_project(root))

    assert list(definitions.computations) == ["b", "employees"]
    assert [problem.what for problem in definitions.problems] == ["unknown destination 'nowhere'"]


def test_a_single_file_that_uses_what_is_broken_in_the_project(tmp_path: Path) -> None:
    root = project(tmp_path, {"bad.yml": "traits:\n  - {key: bad, event_counter: {}}\n"})
    path = tmp_path / "new.yml"
    path.write_text("audiences:\n  - {key: a, definition: trait('bad') > 1}\n")

    definitions = load_file(path, project=load_project(root))

    assert [problem.what for problem in definitions.problems] == ["it uses 'bad', which is broken"]


def test_a_single_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="can't be read: No such file or directory"):
        load_file(tmp_path / "missing.yml")


# ── mappings ────────────────────────────────────────────────────────────────────────────────────────────────


def test_mappings() -> None:
    definitions = load_mappings(
        [
            {"key": "t", "kind": "trait", "definition": "event('A').within(7 days).count()", "default": 0},
            {
                "key": "a",
                "kind": "audience",
                "all": [
                    {"trait": "t", "at_least": 3},
                    {"trait": "signed_up", "after_date": date(2024, 1, 31)},
                    {"trait": "seen", "before_date": datetime(2024, 1, 31, 10)},  # noqa: DTZ001
                    {"trait": "plan", "one_of": ("pro", "business")},
                ],
                "destinations": ["anything"],
            },
        ]
    )

    assert definitions.problems == ()
    assert definitions.computations["t"].default == 0
    assert definitions.computations["a"].expression == parse(
        "trait('t') >= 3 AND trait('signed_up').after_date(2024-01-31)"
        " AND trait('seen').before_date(2024-01-31T10:00:00Z) AND trait('plan').one_of('pro', 'business')"
    )


def test_mappings_that_are_wrong() -> None:
    entries: list[Mapping[str, object]] = [
        {"key": "no_kind", "definition": "trait('x')"},
        {"key": "odd", "kind": "segment", "definition": "trait('x')"},
        {"key": "a", "kind": "audience", "definition": "trait('x') = = 1"},
        {"key": "b", "kind": "audience", "all": [{"trait": "x", "equals": object()}]},
        {"key": "c", "kind": "audience", "all": [{"event": "A", "wihtin": "7 days"}]},
        {"key": "d", "kind": "audience", "all": [{"audience": "nobody"}]},
        {"key": "e", "kind": "trait", "definition": "trait('c')"},
    ]

    definitions = load_mappings(entries)

    assert definitions.computations == {}
    found = [str(problem).split("\n")[0] for problem in definitions.problems]
    assert found[0] == "computations[0]: the key 'kind' is missing (kind: trait or kind: audience)"
    assert found[1].startswith("computations[1]: unknown kind 'segment'")
    assert found[2].startswith("computations[3]: computations[3].all[0].equals is of type object")
    assert found[3].startswith("computations[2].definition: ")
    assert found[4] == "computations[4].all[0].wihtin: unknown key 'wihtin', did you mean 'within'?"
    assert found[5].startswith("computations[5].all[0].audience: there is no audience 'nobody'")
    assert found[6].startswith("computations[6].definition: it uses 'c', which is broken")
    assert definitions.broken == ("a", "c", "d", "e")


# ── warnings ────────────────────────────────────────────────────────────────────────────────────────────────


def test_keys_that_hide_custom_traits(tmp_path: Path) -> None:
    definitions = load_project(project(tmp_path, {"space.yml": SPACE, "ecommerce/revenue.yml": REVENUE}))

    warnings = warnings_against_traits(definitions, ["email", "big_spenders"])

    assert [str(warning) for warning in warnings] == [
        "definitions/ecommerce/revenue.yml:14:5: the audience 'big_spenders' hides the custom trait of that name "
        "(give it another key to use both)"
    ]


@pytest.mark.slow
def test_600_files_load_in_time(tmp_path: Path) -> None:
    """Far below what it takes in practice, so that a busy machine passes, and reading a file twice doesn't."""
    files = {
        f"group{number % 20}/file{number}.yml": REVENUE.replace("revenue_180", f"revenue_{number}_180")
        .replace("favourite_category", f"favourite_category_{number}")
        .replace("big_spenders", f"big_spenders_{number}")
        .replace("employees", f"employees_{number}")
        .replace("abandoned_cart", f"abandoned_cart_{number}")
        .replace("at_risk_accounts", f"at_risk_accounts_{number}")
        for number in range(600)
    }
    root = project(tmp_path, {"space.yml": SPACE, **files})

    started = time.process_time()
    definitions = load_project(root)
    seconds = time.process_time() - started

    assert len(definitions.computations) == 3_600
    assert definitions.problems == ()
    assert seconds < 30
