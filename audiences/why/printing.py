"""An explanation on a terminal or in a file: an answer, until when it holds, and the definition as a tree.

Ids, values and properties come from the data, so they may hold anything: none of it is read as markup, and what has no
visible form (control characters, escape sequences, marks that turn the direction of writing) is printed escaped.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from audiences.definitions.computation import Kind
from audiences.why.explanation import Evidence, Explanation, Fact, SeenEvent, Step, StepKind, Until
from audiences.why.instants import readable, through

LONGEST_VALUE: Final = 200
LONGEST_PROPERTY: Final = 60
LONGEST_ID: Final = 40
NEVER_WRAPPED: Final = 100_000
"""The width of what isn't a terminal: lines in a file or a pipe aren't wrapped."""

HEADINGS: Final = {
    StepKind.ALL: "all of these",
    StepKind.ANY: "at least one of these",
    StepKind.NOT: "not",
    StepKind.ANY_USER: "for at least one user of the account",
    StepKind.ALL_USERS: "for every user of the account, and there is one",
}


def print_explanation(explanation: Explanation, console: Console) -> None:
    """Prints an explanation; ``console`` is where."""
    width = None if console.is_terminal else NEVER_WRAPPED
    writer = Writer(marks=console.is_terminal and not console.options.ascii_only)
    for line in writer.heading(explanation):
        console.print(line, soft_wrap=True)
    tree = writer.tree(explanation.root)
    if width is None:
        console.print(tree)
    else:
        with_width(console, tree, width)


def with_width(console: Console, tree: Tree, width: int) -> None:
    """Prints with another width than the console's own, which can only be made smaller by an argument."""
    before = console.width
    console.width = width
    try:
        console.print(tree)
    finally:
        console.width = before


def visible(text: str) -> str:
    r"""Text with everything escaped that isn't a visible character or a blank: ``\x1b``, ``\n``, ``\u202e``."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def shortened(text: str, longest: int) -> str:
    """Visible text of at most so many characters."""
    whole = visible(text)
    return whole if len(whole) <= longest else whole[: longest - 1] + "…"


def value_text(value: str | None, longest: int = LONGEST_VALUE) -> str:
    """A value (JSON text) on one line."""
    return "no value" if value is None else shortened(value, longest)


class Writer:
    """Makes lines of an explanation. ``marks``: ✓ and ✗ in colour, else the words true and false."""

    def __init__(self, *, marks: bool) -> None:
        self._marks = marks

    def heading(self, explanation: Explanation) -> Iterator[Text]:
        """What was asked, the answer, until when it holds, and the notes."""
        name = f" ({visible(explanation.name)})" if explanation.name else ""
        yield Text(f"{explanation.key}{name}, as of {readable(explanation.as_of)}", style="bold")
        subject = f"{explanation.level.value} " if explanation.level.value == "account" else ""
        answer = answer_text(explanation.kind, explanation.answer)
        verb = "is" if explanation.kind is Kind.AUDIENCE else "has"
        holds = explanation.answer == "true" if explanation.kind is Kind.AUDIENCE else None
        mark = self._mark(holds) if self._marks else Text()
        yield mark.append(f"{subject}{visible(explanation.id)} {verb} {answer}", style="bold")
        yield Text(until_text(explanation.until, explanation.kind))
        for note in explanation.notes:
            yield Text(f"Note: {visible(note)}")
        yield Text("")

    def tree(self, step: Step) -> Tree:
        """A step with all that is below it."""
        tree = Tree(self._label(step), guide_style="dim")
        self._fill(tree, step)
        return tree

    def _fill(self, tree: Tree, step: Step) -> None:
        for inner in step.steps:
            self._fill(tree.add(self._label(inner)), inner)
        if step.ask is not None:
            key, subject = step.ask
            tree.add(Text(f"more: audiences why {key} {shlex.quote(visible(subject))}", style="dim"))

    def _label(self, step: Step) -> Text:
        label = self._mark(step.holds)
        label.append(title(step), style="bold" if step.kind in (StepKind.COMPUTATION, StepKind.USER) else "")
        indent = " " * max(len(label) - len(title(step)), 2)
        for line in details(step):
            label.append(f"\n{indent}{line}", style="dim" if line.startswith("  ") else "")
        return label

    def _mark(self, holds: bool | None) -> Text:
        if holds is None:
            return Text()
        words = ("✗ ", "✓ ") if self._marks else ("false ", "true  ")
        return Text().append(words[holds], style="green" if holds else "red")


def answer_text(kind: Kind, answer: str | None) -> str:
    """``a member``, ``not a member``, ``the value 5``, ``no value``."""
    if kind is Kind.AUDIENCE:
        return "a member" if answer == "true" else "not a member"
    return "no value" if answer is None else f"the value {value_text(answer)}"


def until_text(until: Until, kind: Kind) -> str:
    """Until when the answer holds."""
    if until.change is not None:
        after = answer_text(kind, until.answer)
        return f"{through(until.change)}, {visible(until.reason)}, if no new event arrives; afterwards {after}"
    if until.checked is not None:
        return f"at least until just before {readable(until.checked)}, if no new event arrives (not tried further)"
    return "for ever, unless a new event arrives"


def title(step: Step) -> str:
    """The first line of a step."""
    if step.kind is StepKind.COMPUTATION and step.holds is None and step.facts:
        return f"{step.text} = {value_text(step.facts[0].value)}"
    return visible(step.text) if step.text else HEADINGS[step.kind]


def details(step: Step) -> Iterator[str]:
    """The lines below the title: what was seen."""
    if step.kind is StepKind.COMPARISON or step.holds is not None:
        yield from map(fact_text, step.facts)
    else:  # the title or the heading has the value
        yield from map(fact_text, step.facts[1:])
    if step.evidence is not None:
        yield from evidence_lines(step.evidence)
    yield from map(visible, step.notes)


def fact_text(fact: Fact) -> str:
    """``saw 5``, ``trait('plan') is "free"``."""
    return f"{visible(fact.what)} is {value_text(fact.value)}" if fact.what else f"saw {value_text(fact.value)}"


def evidence_lines(evidence: Evidence) -> Iterator[str]:
    """How many events count, the events, and how many don't."""
    number = {0: "no event counts", 1: "1 event counts"}.get(evidence.count, f"{evidence.count:,} events count")
    what = f"; {evidence.what}" if evidence.what else ""
    yield f"{number}{what}:" if evidence.events else number
    yield from event_lines(evidence.events)
    if evidence.left_out:
        yield "not counted: " + ", ".join(evidence.left_out)


def event_lines(events: tuple[SeenEvent, ...]) -> Iterator[str]:
    """A line per event, in columns: time, message id, whose event it is if that isn't clear, properties.

    What was found after an event follows it.
    """
    several = len({event.profile for event in events}) > 1
    rows = [event_cells(event, name=False, owner=several) for event in events]
    widths = widths_of(rows)
    for event, row in zip(events, rows, strict=True):
        yield "  " + aligned(row, widths)
        inner = [event_cells(found, name=True, owner=several) for found in event.nested]
        inner_widths = widths_of(inner)
        yield from ("    then " + aligned(found, inner_widths) for found in inner)


def event_cells(event: SeenEvent, *, name: bool, owner: bool) -> tuple[str, ...]:
    """What there is to say of an event, in columns."""
    return (
        shortened(event.name, LONGEST_ID) if name else "",
        readable(event.timestamp),
        "no message id" if event.message_id is None else shortened(event.message_id, LONGEST_ID),
        shortened(event.profile, LONGEST_ID) if owner else "",
        "  ".join(f"{visible(path)}={value_text(value, LONGEST_PROPERTY)}" for path, value in event.properties),
        f"({event.left_out})" if event.left_out else "",
    )


def widths_of(rows: list[tuple[str, ...]]) -> list[int]:
    """How wide each column is."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def aligned(row: tuple[str, ...], widths: list[int]) -> str:
    """A row whose columns are as wide as those of all others; empty columns are left out."""
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width).rstrip()
