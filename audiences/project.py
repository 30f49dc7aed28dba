"""A project: a folder with ``definitions/``, its inputs and its state. What the commands and Dagster are built on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from audiences import clock
from audiences.definitions.computation import Computation, Definitions, Kind, Missing, Space
from audiences.definitions.loader import load_file, load_project
from audiences.errors import DefinitionError, Problem, StateError
from audiences.language.suggest import nearest
from audiences.plan import Plan, make_plan, usable

if TYPE_CHECKING:
    from audiences.engines.base import Engine
    from audiences.events import Counts
    from audiences.explain import Branch
    from audiences.export import Export
    from audiences.run import ProgressReport, Run
    from audiences.state import State
    from audiences.why import Explanation

PREVIEW_ROWS = 10


@dataclass(frozen=True, slots=True)
class Preview:
    """The size of a computation and its first ids with the text of their values; nothing of it was saved."""

    key: str
    kind: Kind
    size: int
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Description:
    """A computation as people read it: labelled facts, and both written forms."""

    key: str
    name: str
    description: str
    facts: tuple[tuple[str, str], ...]
    query: str
    structured: str


class Project:
    """The definitions of a folder, checked, and what can be done with them.

    ``definitions`` has what loaded and every problem; broken ones never stop the others.
    """

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions

    @classmethod
    def load(cls, path: str | Path = ".", *, environment: str | None = None) -> Project:
        """Reads ``definitions/`` below ``path``; ``environment`` lays ``space.<environment>.yml`` over the space.

        Raises:
            DefinitionError: there is no ``definitions/space.yml``, or it is unusable.
        """
        return cls(load_project(Path(path).resolve(), environment=environment))

    @property
    def space(self) -> Space:
        """The settings of ``space.yml``, paths made absolute."""
        return self.definitions.space

    @cached_property
    def engine(self) -> Engine:
        """What computes."""
        from audiences.engines.polars import PolarsEngine

        return PolarsEngine()

    @cached_property
    def _checked(self) -> tuple[dict[str, Computation], tuple[Problem, ...]]:
        from audiences.delivery import check_destinations

        computations = self.definitions.computations
        refused: dict[str, list[Problem]] = {}
        for problem in check_destinations(self.space, tuple(computations.values())):
            refused.setdefault(problem.key, []).append(problem)

        def refusals(computation: Computation) -> list[Problem]:
            return [*self.engine.refusals(computation), *refused.get(computation.key, [])]

        good, problems = usable(computations, broken=self.definitions.broken, refusals=refusals)
        problems = [*refused.get("", ()), *problems]  # first those of destinations themselves
        written = self.definitions.written
        return good, tuple(problems) if written is None else written.with_excerpts(problems)

    @property
    def usable(self) -> dict[str, Computation]:
        """The computations that can run, by key, in file order."""
        return self._checked[0]

    @property
    def refusals(self) -> tuple[Problem, ...]:
        """Why the other loaded ones can't: what isn't computed yet, or uses something that can't be computed."""
        return self._checked[1]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every problem of every definition, in file order."""
        return (*self.definitions.problems, *self.refusals)

    def as_of(self, given: datetime | None = None) -> datetime:
        """The instant (UTC) at which a run evaluates: ``given``, else the space's, else now truncated to the hour."""
        if given is not None:
            return clock.as_utc(given)
        return self.space.as_of or clock.default_as_of()

    def plan(self, keys: Sequence[str] | None = None) -> Plan:
        """The plan for ``keys`` (None: all) and what they depend on.

        Raises:
            DefinitionError: an unknown or broken key.
        """
        self._refuse_broken(keys or ())
        return make_plan(self.usable, keys)

    def run(
        self,
        *,
        as_of: datetime | None = None,
        keys: Sequence[str] | None = None,
        deliver: bool = True,
        dry_run: bool = False,
        confirm: bool = False,
        full: bool = False,
        verify: float = 0.0,
        skip_unreadable: bool = False,
        progress: ProgressReport | None = None,
    ) -> Run:
        """Computes ``keys`` (None: all) and what they depend on, keeps what changed, delivers the difference.

        Only the values are computed that may have changed since the run before; with ``full`` all of them are.
        ``verify`` is the share (0 to 1) of profiles and accounts whose values are computed once more, the plain way,
        and compared. ``dry_run`` writes and sends nothing; ``deliver=False`` sends nothing; ``confirm`` allows a first
        sync of more than 1,000 messages; ``skip_unreadable`` counts event files that can't be read as rejected. An
        ``as_of`` before the latest kept one is a look into the past: never kept, never sent.

        Raises:
            DefinitionError: an unknown or broken key, or nothing that can run.
            InputError: inputs that are missing or can't be read; nothing was written.
            StateError: a state location that can't be written, or that another run is using; values that ``verify``
                finds to be wrong: nothing was kept.
        """
        from audiences.run import Options, execute

        self._refuse_broken(keys or ())
        if self.problems and not self.usable:
            raise DefinitionError(problems=self.problems)
        return execute(
            self,
            Options(
                as_of=self.as_of(as_of),
                keys=tuple(keys) if keys is not None else None,
                deliver=deliver,
                dry_run=dry_run,
                confirm=confirm,
                full=full,
                verify=verify,
                skip_unreadable=skip_unreadable,
                report=progress or (lambda what, done, total: None),
            ),
        )

    def ingest(
        self, *, as_of: datetime | None = None, skip_unreadable: bool = False, progress: ProgressReport | None = None
    ) -> tuple[Counts, str]:
        """Reads events that are new into the store of events, so that the next run need not; computes nothing.

        Returns what the store holds now, and a sentence about it where somebody may wonder.

        Raises:
            InputError: inputs that are missing or can't be read. StateError: a state that can't be written, that
                another run is using, or that is on an object store, where there is no store of events.
        """
        from audiences.run import Options, ingest

        return ingest(
            self,
            Options(
                as_of=self.as_of(as_of),
                skip_unreadable=skip_unreadable,
                report=progress or (lambda what, done, total: None),
            ),
        )

    def preview(
        self,
        target: str,
        *,
        as_of: datetime | None = None,
        skip_unreadable: bool = False,
        progress: ProgressReport | None = None,
    ) -> tuple[Preview, ...]:
        """Computes a key, or every definition of a YAML file, and keeps nothing.

        Definitions of a file may use the project's; they replace those of the same key. ``skip_unreadable`` leaves out
        event files that can't be read.

        Raises:
            DefinitionError: an unknown or broken key, or a wrong file. InputError: inputs that can't be read.
        """
        from audiences.engines.preview import compute_in_memory
        from audiences.events import open_inputs
        from audiences.snapshots import text_of

        keys: Sequence[str] = (target,)
        computations = self.usable
        if target.endswith((".yml", ".yaml")):
            loaded = load_file(Path(target), project=self.definitions)
            good, refused = usable(
                {**self.usable, **loaded.computations}, broken=loaded.broken, refusals=self.engine.refusals
            )
            if loaded.problems or refused:
                raise DefinitionError(problems=(*loaded.problems, *refused))
            keys, computations = tuple(loaded.computations), good
        else:
            self._refuse_broken(keys)
        snapshots = compute_in_memory(
            self.engine,
            make_plan(computations, keys),
            open_inputs(self.space.sources, skip_unreadable=skip_unreadable),
            self.as_of(as_of),
            progress,
        )
        previews = []
        for key in keys:
            head = snapshots[key].head(PREVIEW_ROWS)
            rows = zip(head["id"].to_list(), text_of(head["value"]).to_list(), strict=True)
            previews.append(Preview(key, computations[key].kind, snapshots[key].height, tuple(rows)))
        return tuple(previews)

    def why(
        self,
        key: str,
        identifier: str,
        *,
        as_of: datetime | None = None,
        skip_unreadable: bool = False,
        progress: ProgressReport | None = None,
    ) -> Explanation:
        """Takes the definition of ``key`` apart for one profile, or account: what holds, what it saw, until when.

        ``identifier`` is a profile id (an account id for an account-level computation), or ``type:value`` of an
        identifier that a profile holds, such as ``email:x@y.z``. ``skip_unreadable`` leaves out event files that can't
        be read. Nothing is kept.

        Raises:
            DefinitionError: an unknown or broken key, or an unknown identifier. InputError: inputs that can't be read.
        """
        from audiences.events import open_inputs
        from audiences.why import explain

        disabled = self.plan((key,)).given
        state = self.state() if disabled else None
        known = state.keys() if state is not None else ()
        return explain(
            self.usable,
            key,
            identifier,
            engine=self.engine,
            inputs=open_inputs(self.space.sources, skip_unreadable=skip_unreadable),
            as_of=self.as_of(as_of),
            given={item.key: state.snapshot(item.key) for item in disabled if state and item.key in known},
            progress=(lambda done, total: progress("reading events", done, total)) if progress else None,
        )

    def validate_against_data(self, *, progress: ProgressReport | None = None) -> tuple[Problem, ...]:
        """Warnings about names that are not in the inputs, and numbers that are text there, at their places.

        Reads all events once. Definitions that are broken are left out: they are ``problems``.

        Raises:
            InputError: inputs that can't be read.
        """
        from audiences.events import open_inputs
        from audiences.validation import check_against

        report = (lambda done, total: progress("reading events", done, total)) if progress else None
        return check_against(self.definitions, open_inputs(self.space.sources), report)

    def state(self) -> State | None:
        """What was kept, opened for reading; None before the first run.

        Raises:
            StateError: it can't be read, or a newer version wrote it.
        """
        from audiences.state import State

        state = State.open(self.space.state)
        return state if state.manifest is not None else None

    def export(
        self,
        key: str,
        *,
        format: str = "columns",
        output: str | Path | None = None,
        traits: Sequence[str] = (),
        users: bool = False,
        raw: bool = False,
        as_of: datetime | None = None,
    ) -> Export:
        """Writes the snapshot of ``key`` as CSV: to a file, into a folder (None: the current one), or ``-``.

        An account-level audience lists accounts, or with ``users`` the users of these accounts.

        Raises:
            DefinitionError: an unknown key, a format that doesn't fit. StateError: it has not been run yet.
        """
        from audiences.export import export

        self._refuse_broken((key,))
        state = self.state()
        if state is None:
            raise StateError("nothing has been computed yet", where=self.space.state, hint="`audiences run` does")
        target = sys.stdout.buffer if output == "-" else Path(output or ".")
        return export(state, self.definitions, key, format, target, traits=traits, users=users, raw=raw, as_of=as_of)

    def explain(self, keys: Sequence[str] = ()) -> tuple[Branch, ...]:
        """The plan of a run of ``keys`` (none: of all) as a tree, with what each part cost in the last run.

        Raises:
            DefinitionError: an unknown or broken key. StateError: a state that can't be read.
        """
        from audiences.explain import explained

        self._refuse_broken(keys)
        state = self.state()
        costs = state.manifest.costs if state is not None and state.manifest is not None else None
        return explained(make_plan(self.usable, list(keys) or None), costs)

    def describe(self, key: str) -> Description:
        """All that is known of a computation.

        Raises:
            DefinitionError: an unknown or broken key.
        """
        from audiences.definitions.structured_print import print_structured
        from audiences.language.print import query

        self._refuse_broken((key,))
        computation = self.definitions.computations[key]
        audiences = [name for name, item in self.definitions.computations.items() if item.kind is Kind.AUDIENCE]
        return Description(
            key=key,
            name=computation.name,
            description=computation.description,
            facts=tuple((label, value) for label, value in self._facts(computation) if value),
            query=query(computation.expression, multiline=True),
            structured=print_structured(computation, audiences=audiences),
        )

    def _facts(self, computation: Computation) -> list[tuple[str, str]]:
        from audiences.language.requirements import references

        computations = self.definitions.computations
        used_by = [
            key for key, item in computations.items() if computation.key in references(item.expression, computations)
        ]
        since = computation.events_since
        return [
            ("kind", f"{computation.level.value}-level {computation.kind.value}"),
            ("written in", str(computation.location)),
            ("owner", computation.owner or ""),
            ("schedule", f"{computation.schedule} (UTC)" if computation.schedule else "manual"),
            ("default", "" if isinstance(computation.default, Missing) else repr(computation.default)),
            ("events since", clock.readable(since) if since else ""),
            ("destinations", ", ".join(entry.destination for entry in computation.destinations)),
            (
                "depends on",
                ", ".join(references(computation.expression, computations)) or "events and traits only",
            ),
            ("used by", ", ".join(used_by) or "nothing"),
            ("as of", clock.readable(self.as_of()) + (" (fixed by space.yml)" if self.space.as_of else "")),
            ("last run", self._last_run(computation.key)),
            ("not computed", "; ".join(item.what for item in self.refusals if item.key == computation.key)),
        ]

    def _last_run(self, key: str) -> str:
        state = self.state()
        record = state.manifest.computations.get(key) if state and state.manifest else None
        if record is None:
            return "never"
        return f"run {record.run}, as of {clock.readable(record.as_of)}: {record.size:,} rows"

    def _refuse_broken(self, keys: Sequence[str]) -> None:
        """Raises for a key that doesn't exist, or with the problems of one that is broken."""
        known = {*self.definitions.computations, *self.definitions.broken}
        for key in keys:
            if key not in known:
                near = nearest(key, known)
                hint = f"did you mean '{near}'?" if near else "`audiences list` shows all keys"
                raise DefinitionError(f"no computation has the key '{key}'", hint=hint)
        found = [problem for problem in self.problems if problem.key in keys]
        if found:
            raise DefinitionError(problems=found)
