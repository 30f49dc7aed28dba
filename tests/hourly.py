"""A project whose data and definitions change from run to run, and what each run should say, in plain Python."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from audiences.language.print import query
from audiences.run import Run
from choices import Choices
from definition_strategies import definitions
from examples import by_key, written
from fakes import AS_OF
from file_strategies import File, accounts, accounts_frame, files, frame, profiles, profiles_frame
from naive import Definition, compute
from naive_inputs import population
from naive_values import typed

HOUR: Final = timedelta(hours=1)
FIRST: Final = AS_OF - 5 * HOUR
PART: Final = 4_000
SPACE: Final = "space: {id: spa_test, slug: test}\nsources: {events: data/events, %s}\nstate: .audiences\n"

Values = dict[str, dict[str, Any]]


@dataclass
class Situation:
    """What there is: files by name, tables, definitions, and the instant of the run."""

    files: dict[str, File]
    profiles: Sequence[Mapping[str, Any]] | None
    accounts: Sequence[Mapping[str, Any]] | None
    definitions: list[Definition]
    as_of: datetime = FIRST
    happened: list[str] = field(default_factory=list)

    def expected(self) -> Values:
        """The value of everyone who has one, by key."""
        calls = [call for _, file in sorted(self.files.items()) for call in file.calls]
        people, made = population(calls, self.profiles, self.accounts, self.as_of)
        found = compute(self.definitions, people, made, self.as_of)
        return {
            item.key: typed(
                item.expression, {id: one for id, one in found[item.key].items() if one not in (math.inf, -math.inf)}
            )
            for item in self.definitions
        }

    def write(self, folder: Path) -> None:
        """Makes the project what it should be now; files that are as they were aren't touched."""
        events = folder / "data" / "events"
        events.mkdir(parents=True, exist_ok=True)
        (folder / "definitions").mkdir(exist_ok=True)
        for path in events.iterdir():
            if path.name not in self.files:
                path.unlink()
        for name, file in self.files.items():
            if not (events / name).exists():
                frame(file).write_parquet(events / name)
        sources = []
        for name, rows, table in (
            ("profiles", self.profiles, profiles_frame),
            ("accounts", self.accounts, accounts_frame),
        ):
            if rows is not None:
                sources.append(f"{name}: data/{name}.parquet")
                self._write_table(folder / "data" / f"{name}.parquet", table(rows))
        (folder / "definitions" / "space.yml").write_text(SPACE % ", ".join(sources))
        entries: dict[str, list[dict[str, Any]]] = {"traits": [], "audiences": []}
        for item in self.definitions:
            entry = written(item, structured=False)
            entry.pop("kind")
            entries["audiences" if item.audience else "traits"].append(entry)
        (folder / "definitions" / "all.yml").write_text(yaml.safe_dump(json.loads(json.dumps(entries))))

    @staticmethod
    def _write_table(path: Path, table: Any) -> None:
        made = path.with_suffix(".new")
        table.write_parquet(made)
        if path.exists() and path.read_bytes() == made.read_bytes():
            made.unlink()
        else:
            made.replace(path)


def situation(draw: Choices, *, accounts_too: bool) -> Situation:
    """The first one."""
    found = definitions(draw.part(PART), accounts=accounts_too, most=5)
    return Situation(
        files=_named(files(draw.part(PART), most=30), 0),
        profiles=profiles(draw),
        accounts=accounts(draw) if accounts_too else None,
        definitions=found,
    )


def _named(found: Sequence[File], step: int) -> dict[str, File]:
    """Files of a step, most of whose message ids no other step has."""
    named = {}
    for number, file in enumerate(found):
        calls = [
            call
            if step == 0 or place % 7 == 0 or not isinstance(call["message_id"], str) or len(call["message_id"]) > 20
            else {**call, "message_id": f"{step}-{call['message_id']}"}
            for place, call in enumerate(file.calls)
        ]
        named[f"{step:02}-{number}.parquet"] = replace(file, calls=calls)
    return named


def next_step(now: Situation, draw: Choices, number: int, *, accounts_too: bool) -> Situation:
    """What may have happened until the next run."""
    then = replace(now, files=dict(now.files), definitions=list(now.definitions), happened=[])
    then.as_of = now.as_of + draw.one_of((0, 1, 1, 1, 1, 1, 2, 26)) * HOUR
    if draw.chance(3, 4):
        new = files(draw.part(PART), most=6)
        then.files |= _named(new[: 1 + draw.place(2)], number)
        then.happened.append("files came")
    if draw.chance(1, 8) and then.files:
        name = draw.one_of(sorted(then.files))
        then.files[f"{number:02}-again.parquet"] = then.files[name]
        then.happened.append(f"{name} came again")
    if draw.chance(1, 12) and len(then.files) > 1:
        name = draw.one_of(sorted(then.files))
        file = then.files.pop(name)
        then.happened.append(f"{name} is gone")
        if draw.chance(1, 2):
            then.files[f"{number:02}-changed.parquet"] = replace(file, calls=list(file.calls)[1:] or list(file.calls))
    if draw.chance(1, 5) and now.profiles is not None:
        then.profiles = profiles(draw) or now.profiles
        then.happened.append("other profiles")
    if draw.chance(1, 6) and now.accounts is not None:
        then.accounts = accounts(draw) or now.accounts
        then.happened.append("other accounts")
    if draw.chance(1, 6):
        then.happened.append(_other_definitions(then, draw, number, accounts_too=accounts_too))
    return then


def _other_definitions(then: Situation, draw: Choices, number: int, *, accounts_too: bool) -> str:
    """Edits or adds one; returns what was done."""
    fresh = definitions(draw.part(PART), accounts=accounts_too, most=5)
    place = draw.place(len(then.definitions))
    old = then.definitions[place]
    alike = [
        item
        for item in fresh
        if (item.audience, item.account) == (old.audience, old.account) and "trait('k" not in query(item.expression)
    ]
    if alike:
        then.definitions[place] = replace(alike[0], key=old.key)
        return f"{old.key} edited"
    then.definitions.append(replace(fresh[0], key=f"n{number}"))
    return f"n{number} added"


def typed_run(done: Run) -> Values:
    """The snapshots of a run, by key."""
    return by_key({key: done.snapshot(key) for key in done.frames})


def change_sets(before: Mapping[str, Any], now: Mapping[str, Any], *, audience: bool) -> set[tuple[str, str]]:
    """Who changed, and how."""
    new, other, gone = ("entered", "", "exited") if audience else ("set", "changed", "cleared")
    found = {(id, new) for id in now if id not in before} | {(id, gone) for id in before if id not in now}
    return found | {(id, other) for id in now if id in before and _differ(now[id], before[id])}


def _differ(one: Any, other: Any) -> bool:
    return json.dumps(one) != json.dumps(other)


def choices(seed: int, size: int) -> Choices:
    """Choices for a seed."""
    return Choices(random.Random(seed).randbytes(size))  # noqa: S311 (made-up data)
