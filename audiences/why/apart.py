"""Taking a definition apart: a step for each condition and value, with what the engine found for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import polars as pl

from audiences.definitions.computation import Computation, Kind, Level
from audiences.language import tree
from audiences.language.print import query
from audiences.language.walk import walk
from audiences.why.bench import Answers, Bench, Part
from audiences.why.events import Counted, Timeline, decisive, windowless
from audiences.why.explanation import Evidence, Fact, Step, StepKind
from audiences.why.followers import Followers
from audiences.why.users import first_of, users_of

CONDITIONS: Final = (tree.Comparison, tree.And, tree.Or, tree.Not, tree.AnyUser, tree.AllUsers)
JUNCTIONS: Final = {tree.And: StepKind.ALL, tree.Or: StepKind.ANY}


@dataclass(frozen=True, slots=True)
class Place:
    """Whose definition is taken apart, and for whom; ``user`` is set inside of ANY and ALL."""

    owner: Computation
    subject: str
    user: str | None = None

    def condition(self, condition: tree.Condition) -> Part:
        """Whether a condition holds: inside of ANY and ALL for the only user that the account has here."""
        whole = condition if self.user is None else tree.AnyUser(condition)
        return Part(self.owner.key, whole, self.owner.level)

    def scalar(self, scalar: tree.Scalar) -> Part:
        """The value of a scalar; counts of nothing are 0 in an audience."""
        counts = isinstance(scalar, tree.Count | tree.UniqueCount) and self.owner.kind is Kind.AUDIENCE
        return Part(self.owner.key, scalar, self._level(scalar), 0 if counts else None)

    def stream(self, stream: tree.Stream) -> Part:
        """The events of a stream."""
        return Part(self.owner.key, stream, self._level(stream))

    def _level(self, node: tree.Node) -> Level:
        """Inside of ANY and ALL traits are the user's. The events of the only user are the account's, too."""
        return Level.USER if self.user is not None and traits_in(node) else self.owner.level

    def id_for(self, part: Part) -> str:
        """The id under which a part's answer is."""
        return self.user if self.user is not None and part.level is Level.USER else self.subject

    @property
    def person(self) -> tuple[Level, str]:
        """Whom the traits belong to, and at which level."""
        return (self.owner.level, self.subject) if self.user is None else (Level.USER, self.user)


def traits_in(node: tree.Node) -> tuple[tree.Trait, ...]:
    """The different traits that are used, in reading order."""
    return tuple(dict.fromkeys(item for item in walk(node) if isinstance(item, tree.Trait)))


def parts_of(expression: tree.Expression, place: Place) -> Iterator[Part]:
    """All that is to be computed to take an expression apart. What is inside of ANY and ALL comes later."""
    match expression:
        case tree.And(operands=operands) | tree.Or(operands=operands):
            yield place.condition(expression)
            for operand in operands:
                yield from parts_of(operand, place)
        case tree.Not(operand=operand):
            yield place.condition(expression)
            yield from parts_of(operand, place)
        case tree.AnyUser() | tree.AllUsers():
            yield place.condition(expression)
        case tree.Comparison(left=left):
            yield place.condition(expression)
            yield from map(place.scalar, traits_in(expression))
            yield from parts_of(left, place)
        case tree.Trait():
            yield place.scalar(expression)
        case tree.Property() | tree.Context():
            raise TypeError("a property or context field has no value outside the events")
        case _:
            yield place.scalar(expression)
            yield from map(place.scalar, traits_in(expression))
            yield from map(place.stream, streams_of(expression))
            if (marked := decisive(expression)) is not None:
                yield place.scalar(marked)


def streams_of(reduction: tree.Reduction) -> tuple[tree.Stream, tree.Stream, tree.Stream]:
    """A reduction's stream, the same without windows, and without any filter."""
    stream = reduction.stream
    return stream, windowless(stream), tree.Stream(stream.event)


@dataclass(frozen=True)
class Surroundings:
    """What all steps of an explanation share: everyone's bench, and the answers of the run of ``root``."""

    bench: Bench
    whole: Answers
    as_of: datetime

    def take_apart(self, place: Place, *, nested: bool) -> Step:
        """The definition of ``place.owner``; ``nested`` computations aren't taken apart any more."""
        return View(self, self.bench, place, place.owner.expression, nested=nested).step()


@dataclass
class View:
    """An expression at a place, with the answers to all its parts. ``bench`` has who is looked at alone."""

    around: Surroundings
    bench: Bench
    place: Place
    expression: tree.Expression
    nested: bool
    taken_apart: set[str] = field(default_factory=set)  # keys: once is enough

    def __post_init__(self) -> None:
        self.timeline = Timeline(self.bench)
        self.answers = self.bench.question([], list(parts_of(self.expression, self.place))).at(self.around.as_of)

    def step(self) -> Step:
        """The whole expression."""
        return self._step(self.expression)

    def _step(self, expression: tree.Expression) -> Step:
        match expression:
            case tree.And(operands=operands) | tree.Or(operands=operands):
                steps = tuple(map(self._step, operands))
                return Step(JUNCTIONS[type(expression)], holds=self._holds(expression), steps=steps)
            case tree.Not(operand=operand):
                return Step(StepKind.NOT, holds=self._holds(expression), steps=(self._step(operand),))
            case tree.AnyUser(condition=condition):
                return self._users(expression, condition, StepKind.ANY_USER)
            case tree.AllUsers(condition=condition):
                return self._users(expression, condition, StepKind.ALL_USERS)
            case tree.Comparison(left=left):
                return self._value(expression, left, StepKind.COMPARISON, self._holds(expression))
            case _:
                return self._value(expression, expression, StepKind.VALUE, None)

    def _holds(self, condition: tree.Condition) -> bool:
        part = self.place.condition(condition)
        return self.answers.holds(part, self.place.id_for(part))

    def _fact(self, scalar: tree.Scalar, what: str = "") -> Fact:
        part = self.place.scalar(scalar)
        return Fact(what, self.answers.value(part, self.place.id_for(part)))

    def _value(self, expression: tree.Expression, scalar: tree.Scalar, kind: StepKind, holds: bool | None) -> Step:
        """A comparison, or a value alone: what is seen of the scalar, and of the traits that are used beside it."""
        saw = self._fact(scalar)
        others = [self._fact(trait, query(trait)) for trait in traits_in(expression) if trait != scalar]
        return Step(
            kind,
            text=query(expression),
            holds=holds,
            facts=(saw, *others),
            evidence=None
            if isinstance(scalar, tree.Trait | tree.Property | tree.Context)
            else self._evidence(scalar, saw.value),
            steps=tuple(self._computations(expression)),
        )

    def _evidence(self, reduction: tree.Reduction, value: str | None) -> Evidence:
        counted, unwindowed, named = map(self._events, streams_of(reduction))
        marked = decisive(reduction)
        decided = None if marked is None else self._fact(marked).value
        number = None if decided is None else int(json.loads(decided))
        one_user = self.place.owner.level is Level.USER
        followers = Followers(self.bench, self.timeline, self.place.stream, self.around.as_of, one_user)
        return self.timeline.evidence(
            reduction,
            value,
            Counted(counted, unwindowed, named, number),
            lambda shown: followers.of(reduction.stream, shown),
        )

    def _events(self, stream: tree.Stream) -> Sequence[int]:
        part = self.place.stream(stream)
        return self.answers.events(part, self.place.id_for(part))

    # ── computations that are used ──────────────────────────────────────────────────────────────────────────

    def _computations(self, expression: tree.Expression) -> Iterator[Step]:
        """A step for each computation that is used and wasn't shown yet."""
        for trait in traits_in(expression):
            computation = self.around.bench.computations.get(trait.path[0])
            if computation is not None and computation.key not in self.taken_apart:
                self.taken_apart.add(computation.key)
                yield self._computation(computation)

    def _computation(self, computation: Computation) -> Step:
        level, subject = self.place.person
        if computation.key not in self.around.whole.snapshots:
            note = "disabled: this is what it was when it last ran"
            return Step(StepKind.COMPUTATION, computation.key, notes=(note,))
        if computation.level is not level:
            return self._of_accounts(computation)
        answer = self.around.whole.answer(computation, subject)
        inner = None if self.nested else self.around.take_apart(Place(computation, subject), nested=True)
        step = Step(
            StepKind.COMPUTATION,
            computation.key,
            steps=() if inner is None else (inner,),
            ask=(computation.key, subject),
        )
        if computation.kind is Kind.AUDIENCE:
            return replace(step, holds=answer == "true")
        own = answer if inner is None else inner.facts[0].value
        notes = () if own == answer else ("no value of its own: this is the default",)
        return replace(step, facts=(Fact("", answer),), notes=notes)

    def _of_accounts(self, computation: Computation) -> Step:
        """An account-level audience seen from a user: true if one of the user's accounts is a member."""
        _, user = self.place.person
        profiles = self.around.bench.prepared.profiles
        accounts: list[str] = profiles.filter(pl.col("id") == user)["account_ids"].item().to_list()
        facts = tuple(Fact(account, self.around.whole.answer(computation, account)) for account in accounts)
        members = [fact.what for fact in facts if fact.value == "true"]
        return Step(
            StepKind.COMPUTATION,
            computation.key,
            holds=bool(members),
            facts=facts,
            ask=(computation.key, (members or accounts)[0]) if accounts else None,
            notes=() if accounts else ("the profile belongs to no account",),
        )

    # ── users of an account ─────────────────────────────────────────────────────────────────────────────────

    def _users(self, expression: tree.Condition, condition: tree.Condition, kind: StepKind) -> Step:
        """A few users of the account: those who decide, if somebody does."""
        account = self.place.subject
        inverse: tree.Condition = tree.Not(condition)
        wanted = (condition, inverse) if kind is StepKind.ANY_USER else (inverse, condition)
        every = users_of(account, self.bench.prepared)
        shown = first_of(every, lambda users: self._has_one(wanted[0], users))
        shown = shown or first_of(every, lambda users: self._has_one(wanted[1], users))
        steps = tuple(self._user(condition, user) for user in shown)
        notes: tuple[str, ...] = () if every else ("no profile belongs to the account",)
        if len(steps) < len(every):
            notes = (f"{len(steps)} of the account's {len(every):,} profiles",)
        return Step(kind, holds=self._holds(expression), steps=steps, notes=notes)

    def _has_one(self, condition: tree.Condition, users: Sequence[str]) -> bool:
        owner, account = self.place.owner, self.place.subject
        part = Part(owner.key, tree.AnyUser(condition), owner.level)
        return self._alone(users).question([], [part]).at(self.around.as_of).holds(part, account)

    def _alone(self, users: Sequence[str]) -> Bench:
        owner = self.place.owner
        frozen = {key: frame for key, frame in self.around.whole.snapshots.items() if key != owner.key}
        return self.around.bench.only(users, self.place.subject, frozen)

    def _user(self, condition: tree.Condition, user: str) -> Step:
        place = Place(self.place.owner, self.place.subject, user)
        view = View(self.around, self._alone([user]), place, condition, self.nested, self.taken_apart)
        inner = view.step()
        return Step(StepKind.USER, user, holds=inner.holds, steps=(inner,))
