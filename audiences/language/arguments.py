"""What stands between the parentheses of a call: names, durations, operands and literals."""

from __future__ import annotations

from dataclasses import replace

from lark import Token

from audiences.language import tree
from audiences.language.calls import Argument, Branch, Call, span_of
from audiences.language.literals import instant_of, number_of, path_of, unescape
from audiences.language.places import Report
from audiences.language.suggest import did_you_mean
from audiences.language.vocabulary import FUNCTIONS, NOTHING, UNITS

Built = tree.Expression | tree.Stream | tree.Literal | tree.Duration


class ArgumentReader:
    """Reads arguments; a method that finds something wrong reports it and returns None."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def build(self, branch: Branch) -> Built | None:
        """Any part of the parse tree."""
        raise NotImplementedError

    def place(self, built: Built, branch: Branch) -> tree.Span:
        """Where something was written, without parentheses around it."""
        return built.span or span_of(branch)

    # ── literals ────────────────────────────────────────────────────────────────────────────────────────────

    def literal(self, token: Token) -> tree.Literal | None:
        """A string, number, date, timestamp or boolean; a word without quotes is reported, and text."""
        span = span_of(token)
        match token.type:
            case "STRING":
                return tree.Text(unescape(token[1:-1]), span=span)
            case "BOOLEAN":
                return tree.Boolean(token.casefold() == "true", span=span)
            case "NUMBER":
                number = number_of(token)
                if number is None:
                    self.report.add(span, f"the number {token[:20]} is too large")
                    return None
                return tree.Number(number, span=span)
            case "INSTANT":
                found = instant_of(token)
                if found is None:
                    self.report.add(
                        span,
                        f"{token} is not a date or time",
                        "write 2024-01-31 or 2024-01-31T18:30:00Z, and text in quotes",
                    )
                    return None
                return tree.Instant(*found, span=span)
            case "CURLED":
                self.report.add(span, f"typographic quotes: {token}", f"write '{token[1:-1]}' with straight quotes")
                return tree.Text(token[1:-1], span=span)
        if token.casefold() in NOTHING:
            self.report.add(span, f"there is no '{token}' to compare with", "use .absent() or .exists()")
        elif token.casefold() in UNITS:
            self.report.add(span, f"'{token}' without a number", f"such as 7 {token}, or '{token}' for text")
        elif token in FUNCTIONS:
            self.report.add(span, f"the function '{token}' needs parentheses", f"{token}(…), or '{token}' for text")
        else:
            self.report.add(span, f"unknown word '{token}'", f"text goes in quotes: '{token}'")
        return tree.Text(str(token), span=span)

    def wrapped_literal(self, call: Call) -> tree.Literal | None:
        """``literal(100)`` is ``100``."""
        argument = self.only(call, "a literal", "literal(100)")
        if argument is None or not self.single(call):
            return None
        built = self.build(argument.value)
        if built is None or isinstance(built, tree.Literal):
            return replace(built, span=call.span) if built is not None else None
        self.report.add(argument.span, "literal(…) takes text, a number, true, false or a date", "literal(100)")
        return None

    # ── how many, and with which labels ─────────────────────────────────────────────────────────────────────

    def only(self, call: Call, what: str, example: str) -> Argument | None:
        """The first argument, which must be there, without a label or ``as``."""
        if not call.arguments:
            self.report.add(call.span, f"{call.name}(…) needs {what}", f"such as {example}")
            return None
        argument = call.arguments[0]
        return argument if self.plain(call, argument) else None

    def single(self, call: Call) -> bool:
        """Whether there is just one argument."""
        if len(call.arguments) > 1:
            self.report.add(call.arguments[1].span, f"{call.name}(…) takes one argument")
        return len(call.arguments) <= 1

    def nothing_inside(self, call: Call) -> bool:
        """Whether there is no argument: ``count()``."""
        if call.arguments:
            hint = "conditions go into .where(…) before it"
            if call.name == "count":
                hint = f"{hint}; different values are counted by .unique(property('…')).count()"
            self.report.add(call.arguments[0].span, f"{call.name}() takes no argument", hint)
        return not call.arguments

    def plain(self, call: Call, argument: Argument) -> bool:
        """Whether an argument has no label and no ``as``."""
        if argument.label is not None:
            self.report.add(span_of(argument.label), f"{call.name}(…) takes no '{argument.label}:'")
        elif argument.cast is not None:
            self.report.add(argument.span, f"{call.name}(…) takes no 'as'", "as … stands in min, max and mode")
        return argument.label is None and argument.cast is None

    def labelled(self, call: Call, argument: Argument, label: str) -> bool | None:
        """Whether an argument has this label; another one is reported."""
        if argument.label is None:
            return False
        if argument.label.casefold() == label:
            return True
        hint = did_you_mean(argument.label, [label]) or f"possible here: {label}:"
        self.report.add(span_of(argument.label), f"unknown '{argument.label}:' in {call.name}(…)", hint)
        return None

    # ── names and paths ─────────────────────────────────────────────────────────────────────────────────────

    def text(self, call: Call, argument: Argument, example: str) -> str | None:
        """A text literal."""
        if argument.cast is not None:
            self.plain(call, argument)
            return None
        built = self.build(argument.value)
        if built is None:
            return None
        if isinstance(built, tree.Text):
            return built.value
        written = self.report.source.written(argument.span)
        hint = f"{call.name}('{written}')" if isinstance(built, tree.Literal) else f"such as {example}"
        self.report.add(argument.span, f"{call.name}(…) takes a name in quotes", hint)
        return None

    def name(self, call: Call, example: str) -> str | None:
        """The one name in ``event('…')``."""
        argument = self.only(call, "a name in quotes", example)
        if argument is None or not self.single(call):
            return None
        return self.text(call, argument, example)

    def path(self, call: Call, example: str) -> tree.Path | None:
        """The one path in ``trait('…')`` and ``context('…')``."""
        raw = self.name(call, example)
        return path_of(raw) if raw is not None else None

    def property(self, call: Call) -> tree.Property | None:
        """``property('price')`` and ``property(parent: 'price')``."""
        example = "property('price')"
        if not call.arguments:
            self.only(call, "a name in quotes", example)
            return None
        of_parent = self.labelled(call, call.arguments[0], "parent")
        if of_parent is None or not self.single(call):
            return None
        raw = self.text(call, call.arguments[0], "property(parent: 'price')" if of_parent else example)
        return tree.Property(path_of(raw), of_parent, span=call.span) if raw is not None else None
