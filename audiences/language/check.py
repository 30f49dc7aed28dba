"""What parses, or was built from YAML, and still is no trait or audience. Finds all problems at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, assert_never

from audiences.errors import Location, Problem
from audiences.language import tree
from audiences.language.findings import MINIMUM_FREQUENCY, Finding, Scope
from audiences.language.places import NOWHERE, Source
from audiences.language.print import path, query
from audiences.language.types import ResultType, result_type
from audiences.language.values import findings, name_findings, path_findings
from audiences.language.walk import walk
from audiences.language.windows import duration_findings, filter_findings, window_findings

__all__ = ["MAXIMUM_PRIMARY_EXPRESSIONS", "ResultType", "check", "result_type"]

MAXIMUM_PRIMARY_EXPRESSIONS: Final = 50
"""Comparisons in a definition, those inside where(…) included: Segment's limit."""

MAXIMUM_NESTING: Final = 40
"""AND, OR, NOT, ANY, ALL and where(…) inside one another."""

_FIRST_WORD: Final = re.compile(r"[\s{'\"]*(\w+)")


def check(
    expression: tree.Expression,
    *,
    kind: str,
    level: str = "user",
    where: Location = NOWHERE,
    source: str | None = None,
    locate: Callable[[tree.Node], Location | None] | None = None,
) -> list[Problem]:
    """Every problem of a definition, in the order in which it is written; empty if it is valid.

    ``kind`` is ``trait`` (a value: a reducer over events, or a trait) or ``audience`` (a condition);
    ``level`` is ``user`` or ``account``. With ``source``, the text that was parsed and that begins at
    ``where``, problems have line, column and an excerpt. Without it their place is what ``locate`` says of
    the node, or of the nearest node around it that ``locate`` knows, else ``where``.
    """
    places = _Places(where, Source(source, where) if source is not None else None, locate)
    checker = _Checker(places)
    scope = Scope(is_trait=kind == "trait", at_account_level=level == "account")
    checker.definition(expression, scope)
    return sorted(checker.problems, key=lambda problem: (problem.where.line, problem.where.column))


class _Places:
    """From a node, and those around it, to a place."""

    def __init__(
        self,
        where: Location,
        source: Source | None,
        locate: Callable[[tree.Node], Location | None] | None,
    ) -> None:
        self.where, self.source, self.locate = where, source, locate
        self.around: list[tree.Node] = []

    def after(self, left: tree.Node, whole: tree.Node) -> tree.Span | None:
        """What is written behind the left side of a comparison."""
        if self.source is None or left.span is None or whole.span is None or left.span.end >= whole.span.end:
            return None
        text = self.source.text[left.span.end : whole.span.end]
        blanks = len(text) - len(text.lstrip(" \t\r\n.,"))
        return tree.Span(left.span.end + blanks, whole.span.end) if blanks < len(text) else None

    def first_word(self, node: tree.Node) -> tree.Span | None:
        """The word that a node begins with."""
        if self.source is None or node.span is None:
            return None
        word = _FIRST_WORD.match(self.source.text, node.span.start)
        return tree.Span(*word.span(1)) if word is not None else None

    def problem(self, node: tree.Node, finding: Finding, span: tree.Span | None = None) -> Problem:
        """A problem at a span, else at the innermost node whose place is known."""
        if self.source is not None and span is not None:
            return self.source.problem(span, finding.what, finding.hint)
        for candidate in (node, *reversed(self.around)):
            if self.source is not None and candidate.span is not None:
                return self.source.problem(candidate.span, finding.what, finding.hint)
            found = self.locate(candidate) if self.locate is not None else None
            if found is not None:
                return Problem(found, finding.what, finding.hint)
        return Problem(self.where, finding.what, finding.hint)


class _Checker:
    """Goes through a tree with the scope in hand and collects problems."""

    def __init__(self, places: _Places) -> None:
        self.places = places
        self.problems: list[Problem] = []

    def add(self, node: tree.Node, what: str, hint: str = "", *, span: tree.Span | None = None) -> None:
        """One more problem."""
        self.problems.append(self.places.problem(node, Finding(what, hint), span))

    def add_all(self, node: tree.Node, found: Iterator[Finding]) -> None:
        """The problems of a node that don't depend on where it stands."""
        self.problems.extend(self.places.problem(node, finding) for finding in found)

    def add_placed(self, found: Iterator[tuple[tree.Node, Finding]]) -> None:
        """The problems of a node and what is in it."""
        self.problems.extend(self.places.problem(node, finding) for node, finding in found)

    @contextmanager
    def inside(self, node: tree.Node) -> Iterator[None]:
        """Remembers the node as the place of problems without one."""
        self.places.around.append(node)
        yield
        self.places.around.pop()

    # ── the whole ───────────────────────────────────────────────────────────────────────────────────────────

    def definition(self, expression: tree.Expression, scope: Scope) -> None:
        """Type, size, and everything inside."""
        self.kind(expression, scope)
        if isinstance(expression, tree.Condition):
            self.condition(expression, scope)
        else:
            self.scalar(expression, scope)
        comparisons = [node for node in walk(expression) if isinstance(node, tree.Comparison)]
        if len(comparisons) > MAXIMUM_PRIMARY_EXPRESSIONS:
            self.add(
                comparisons[MAXIMUM_PRIMARY_EXPRESSIONS],
                f"{len(comparisons)} comparisons, and a definition may have {MAXIMUM_PRIMARY_EXPRESSIONS}",
                "move some into an audience of their own and refer to it with trait('key')",
            )

    def kind(self, expression: tree.Expression, scope: Scope) -> None:
        """An audience is a condition, a trait is not."""
        if scope.is_trait and isinstance(expression, tree.Condition):
            self.add(
                expression,
                "a trait is a value, and this is a condition",
                "make it an audience, or leave the comparison out",
            )
        elif not scope.is_trait and isinstance(expression, tree.Trait | tree.Reduction):
            compared = "= true" if isinstance(expression, tree.Trait) else ">= 1"
            self.add(
                expression,
                "an audience is a condition, and this is a value",
                f"compare it, such as {query(expression)} {compared}",
            )
        elif isinstance(expression, tree.Trait) and tree.EACH in expression.path:
            self.add(
                expression,
                "a trait can't be copied out of an array",
                "'$' needs a comparison or a reducer; leave it out to copy the whole array",
            )

    # ── conditions ──────────────────────────────────────────────────────────────────────────────────────────

    def condition(self, condition: tree.Condition, scope: Scope) -> None:
        """Any condition."""
        scope = replace(scope, nesting=scope.nesting + 1)
        if scope.nesting > MAXIMUM_NESTING:
            self.add(condition, f"conditions nested more than {MAXIMUM_NESTING} deep", "take the definition apart")
            return
        with self.inside(condition):
            match condition:
                case tree.And() | tree.Or():
                    for operand in condition.operands:
                        self.condition(operand, scope)
                case tree.Not():
                    self.condition(condition.operand, scope)
                case tree.AnyUser() | tree.AllUsers():
                    self.users(condition, scope)
                case tree.Comparison():
                    self.comparison(condition, scope)
                case _:
                    assert_never(condition)

    def users(self, condition: tree.AnyUser | tree.AllUsers, scope: Scope) -> None:
        """ANY and ALL: account-level audiences only, not nested. That a trait is no condition has been said."""
        span = self.places.first_word(condition)
        word = "ANY" if isinstance(condition, tree.AnyUser) else "ALL"
        if span is not None and self.places.source is not None:
            written = self.places.source.text[span.start : span.end]
            word = word if written.upper() in ("ANY", "ALL") else written
        if scope.events:
            what, hint = f"{word} can't stand in the 'where' of an event", "it is about users, and 'where' about events"
        elif not scope.at_account_level and not scope.is_trait:
            what, hint = f"{word} is for account-level audiences", "set level: account, or leave it out"
        elif scope.inside_users:
            what, hint = f"{word} inside another condition on users", "a user has no users: take it out"
        else:
            what = hint = ""
        if what:
            self.add(condition, what, hint, span=span)
        self.condition(condition.condition, replace(scope, inside_users=True))

    def comparison(self, comparison: tree.Comparison, scope: Scope) -> None:
        """Both sides, and whether they fit the operator."""
        self.scalar(comparison.left, scope)
        for argument in comparison.arguments:
            with self.inside(argument):
                self.argument(argument, scope)
        for node, finding in findings(comparison):
            span = self.places.after(comparison.left, comparison) if node is comparison else None
            self.add(node, finding.what, finding.hint, span=span)

    def argument(self, argument: tree.Argument, scope: Scope) -> None:
        """The right side."""
        if isinstance(argument, tree.Trait):
            self.scalar(argument, scope)
        elif isinstance(argument, tree.Property):
            if argument.of_parent:
                self.scalar(argument, scope)
            else:
                self.add(
                    argument,
                    f"{query(argument)} can't stand on the right side of a comparison",
                    "a literal, trait('…') or, in a nested event, property(parent: '…') can",
                )
        elif isinstance(argument, tree.Duration):
            self.add_placed(duration_findings(argument, allow_zero=True))

    # ── values ──────────────────────────────────────────────────────────────────────────────────────────────

    def scalar(self, value: tree.Scalar, scope: Scope) -> None:
        """A trait, a property or context field where there is an event, or a reduction."""
        with self.inside(value):
            match value:
                case tree.Trait():
                    self.add_all(value, path_findings(value.path, "trait"))
                case tree.Property() | tree.Context():
                    self.field(value, scope)
                case _:
                    self.reduction(value, scope)

    def field(self, value: tree.Property | tree.Context, scope: Scope) -> None:
        """A field of the event at hand, or of its parent."""
        word = "property" if isinstance(value, tree.Property) else "context"
        self.add_all(value, path_findings(value.path, word))
        if isinstance(value, tree.Property) and value.of_parent:
            if scope.events < 2:
                self.add(
                    value,
                    "property(parent: …) outside of a nested event",
                    "it belongs into where(…) of an event that stands inside another event's where(…)",
                )
        elif not scope.events:
            read = "a property" if word == "property" else "a context field"
            self.add(
                value,
                f"{read} is read from an event, and there is none here",
                f"such as event('…').where({query(value)} = …).count(); a profile's own value is trait('…')",
            )

    def reduction(self, reduction: tree.Reduction, scope: Scope) -> None:
        """A chain from event to reducer."""
        self.stream(reduction.stream, scope)
        if isinstance(reduction, tree.Count):
            return
        with self.inside(reduction.operand):
            self.operand(reduction)
        if isinstance(reduction, tree.MostFrequent) and reduction.minimum_frequency < 1:
            self.add(reduction, MINIMUM_FREQUENCY.what, MINIMUM_FREQUENCY.hint)

    def operand(
        self,
        reduction: tree.Aggregate | tree.MostFrequent | tree.First | tree.Last | tree.UniqueList | tree.UniqueCount,
    ) -> None:
        """What a reducer reads."""
        value, cast = reduction.operand.value, reduction.operand.cast
        word = "property" if isinstance(value, tree.Property) else "context"
        self.add_all(value, path_findings(value.path, word))
        if isinstance(value, tree.Property) and value.of_parent:
            self.add(
                value,
                "a reducer reads its own events, not the parent",
                f"write property('{path(value.path)}')",
            )
        match reduction:
            case tree.MostFrequent():
                allowed = set(tree.Cast)
            case tree.Aggregate(function=tree.Function.MINIMUM | tree.Function.MAXIMUM):
                allowed = {tree.Cast.NUMBER, tree.Cast.STRING}
            case tree.Aggregate():
                allowed = {tree.Cast.NUMBER}
            case _:
                allowed = set()
        if cast is not None and cast not in allowed:
            self.add(
                reduction.operand,
                f"'as {cast}' can't stand here",
                "min and max take as string, mode any type",
            )

    # ── streams ─────────────────────────────────────────────────────────────────────────────────

    def stream(self, stream: tree.Stream, scope: Scope) -> None:
        """An event and its filters."""
        with self.inside(stream):
            for finding in name_findings(stream.event, "event name", "event('Order Completed')"):
                self.add(stream, finding.what, finding.hint, span=stream.event_span)
            for kept in stream.filters:
                with self.inside(kept):
                    if isinstance(kept, tree.Where):
                        self.condition(kept.condition, replace(scope, events=scope.events + 1))
                    else:
                        self.add_placed(filter_findings(kept, scope))
            self.add_placed(window_findings(stream))
