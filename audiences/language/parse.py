"""Segment's query language → tree."""

from __future__ import annotations

from audiences.errors import DefinitionError, Location, NotYetError
from audiences.language import literals, tree
from audiences.language.places import NOWHERE, Report, Source


def parse(text: str, *, where: Location = NOWHERE) -> tree.Expression:
    """The tree of a definition; nodes carry the offsets they were written at.

    ``where`` is the place of the text's first character in its file (a YAML value, say). Says nothing about
    types and meaning: that is ``check``.

    Raises DefinitionError with every problem that could be found, each with line, column and an underlined
    excerpt; NotYetError if all that is wrong is that something isn't supported yet.
    """
    # Lark is loaded by the first parse, not by importing this package.
    from audiences.language.build import Builder
    from audiences.language.syntax import read

    report = Report(Source(text, where))
    read_tree = read(report)
    expression = Builder(report).expression(read_tree) if read_tree is not None else None
    _raise_problems(report)
    if expression is None:
        raise AssertionError("a definition without a tree has a problem")
    return expression


def parse_condition(text: str, *, where: Location = NOWHERE) -> tree.Condition:
    """The tree of a definition that must be a condition. Raises as ``parse`` does."""
    expression = parse(text, where=where)
    if isinstance(expression, tree.Condition):
        return expression
    report = Report(Source(text, where))
    span = expression.span or tree.Span(0, len(text))
    report.add(span, "this is a value, not a condition", "compare it, such as … >= 1")
    raise DefinitionError(problems=report.problems)


def parse_path(raw: str) -> tree.Path:
    r"""The segments of a path such as ``products.$.sku``.

    A dot after one or more backslashes is part of a name: ``a\.b`` is one segment, ``a.b``. Empty segments
    are for the checker to report.
    """
    return literals.path_of(raw)


def parse_instant(text: str) -> tree.Instant | None:
    """An ISO 8601 date or timestamp (no zone: UTC), or None if the text isn't one."""
    found = literals.instant_of(text)
    return tree.Instant(*found) if found is not None else None


def _raise_problems(report: Report) -> None:
    if not report.problems:
        return
    kind = NotYetError if all(problem.not_yet for problem in report.problems) else DefinitionError
    raise kind(problems=report.in_order())
