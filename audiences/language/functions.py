"""The functions after the first dot: filters, reducers, and what a comparison compares with."""

from __future__ import annotations

from lark import Token, Tree

from audiences.language import tree
from audiences.language.arguments import ArgumentReader
from audiences.language.calls import Argument, Branch, Call, bare_word, span_of
from audiences.language.construct import between
from audiences.language.findings import MINIMUM_FREQUENCY
from audiences.language.literals import number_of
from audiences.language.suggest import did_you_mean
from audiences.language.vocabulary import ABBREVIATED_UNITS, OTHER_UNITS_IN_DAYS, RELATIVE_DATES, UNITS


class FunctionReader(ArgumentReader):
    """Reads filters, reducers and comparisons; what is wrong is reported and returned as None."""

    # ── durations and filters ───────────────────────────────────────────────────────────────────────────────

    def duration(self, branch: Tree[Token]) -> tree.Duration | None:
        """A whole number and a unit."""
        amount_token, unit_token = branch.children
        span = span_of(branch)
        amount, word = number_of(str(amount_token)), str(unit_token).casefold()
        unit = UNITS.get(word)
        if unit is None:
            meant = ABBREVIATED_UNITS.get(word)
            hint = f"did you mean '{amount_token} {meant}'?" if meant else did_you_mean(word, UNITS)
            days = OTHER_UNITS_IN_DAYS.get(word.removesuffix("s"))
            if days is not None:
                length = f"write {(amount or 1) * days} days"
                hint = (
                    length if word.startswith("week") else f"a {word.removesuffix('s')} has no fixed length: {length}"
                )
            self.report.add(
                span_of(unit_token), f"unknown unit '{unit_token}'", hint or "durations are in hours or days"
            )
            return None
        if not isinstance(amount, int):
            hours = (amount or 0) * 24
            whole = unit == tree.Unit.DAY and float(hours).is_integer()
            hint = f"write {int(hours)} hours" if whole and amount else f"such as 36 {unit}s"
            self.report.add(span_of(amount_token), "a duration is a whole number of units", hint)
            return None
        if amount < 0:
            self.report.add(span_of(amount_token), "a duration can't be negative", f"write {-amount} {unit_token}")
            return None
        return tree.Duration(amount, unit, span=span)

    def duration_argument(self, call: Call, argument: Argument) -> tree.Duration | None:
        """A duration as an argument; its label has been looked at."""
        if argument.cast is not None:
            self.plain(call, argument)
            return None
        built = self.build(argument.value)
        if built is None or isinstance(built, tree.Duration):
            return built
        written = self.report.source.written(argument.span)
        if isinstance(built, tree.Number):
            what, hint = "a duration needs a unit", f"{written} days or {written} hours"
        elif isinstance(built, tree.Text):
            what, hint = "a duration has no quotes", f"write {call.name}({built.value or '7 days'})"
        else:
            what, hint = f"{call.name}(…) takes a duration", f"such as {call.name}(7 days)"
        self.report.add(argument.span, what, hint)
        return None

    def filter(self, call: Call) -> tree.Filter | None:
        """The filters other than ``where``."""
        match call.name:
            case "sources":
                return self.sources(call)
            case "between":
                return self.between(call)
            case "within":
                return self.within(call)
            case _:
                argument = self.only(call, "a duration", "expires_after(1 hour)")
                if argument is None or not self.single(call):
                    return None
                length = self.duration_argument(call, argument)
                return tree.ExpiresAfter(length, span=call.span) if length is not None else None

    def within(self, call: Call) -> tree.Within | None:
        """``within(7 days)`` and ``within(parent: 5 days)``."""
        if not call.arguments:
            self.only(call, "a duration", "within(7 days)")
            return None
        of_parent = self.labelled(call, call.arguments[0], "parent")
        if of_parent is None or not self.single(call):
            return None
        length = self.duration_argument(call, call.arguments[0])
        return tree.Within(length, of_parent, span=call.span) if length is not None else None

    def between(self, call: Call) -> tree.Between | None:
        """``between(7 days, 10 days)`` and ``between(parent: 1 day, 2 days)``."""
        if len(call.arguments) != 2:
            self.report.add(call.span, "between(…) needs two durations", "such as between(7 days, 10 days)")
            return None
        labels = [self.labelled(call, argument, "parent") for argument in call.arguments]
        if None in labels:
            return None
        if labels == [False, True]:
            self.report.add(
                call.arguments[1].span,
                "'parent:' stands before the first bound",
                "such as between(parent: 1 day, 2 days)",
            )
            return None
        bounds = [self.duration_argument(call, argument) for argument in call.arguments]
        if bounds[0] is None or bounds[1] is None:
            return None
        return between(bounds[0], bounds[1], of_parent=bool(labels[0]), span=call.span)

    def sources(self, call: Call) -> tree.Sources | None:
        """``sources({exclude: 'id', 'other id'})``."""
        example = "sources({exclude: 'source id'})"
        if not call.arguments:
            self.only(call, "source ids", example)
            return None
        labels = [self.labelled(call, argument, "exclude") for argument in call.arguments]
        if None in labels:
            return None
        if not labels[0]:
            self.report.add(call.arguments[0].span, "sources(…) needs 'exclude:'", f"such as {example}")
            return None
        ids = [self.text(call, argument, example) for argument in call.arguments]
        whole = tuple(source for source in ids if source is not None)
        return tree.Sources(whole, span=call.span) if len(whole) == len(ids) else None

    # ── reducers ────────────────────────────────────────────────────────────────────────────────────────────

    def reduction(self, stream: tree.Stream, call: Call, span: tree.Span) -> tree.Reduction | None:
        """A stream and its reducer."""
        if call.name == "count":
            return tree.Count(stream, span=span) if self.nothing_inside(call) else None
        operand = self.operand(call)
        if call.name == "mode":
            frequency = self.minimum_frequency(call)
            if operand is None or frequency is None:
                return None
            return tree.MostFrequent(stream, operand, frequency, span=span)
        if not self.single(call) or operand is None:
            return None
        match call.name:
            case "first":
                return tree.First(stream, operand, span=span)
            case "last":
                return tree.Last(stream, operand, span=span)
            case "unique":
                return tree.UniqueList(stream, operand, span=span)
            case _:
                return tree.Aggregate(stream, tree.Function(call.name), operand, span=span)

    def operand(self, call: Call) -> tree.Operand | None:
        """What a reducer reads: ``property('price')``, with or without ``as string``."""
        example = f"{call.name}(property('price'))"
        if not call.arguments:
            self.report.add(call.span, f"{call.name}(…) needs a property", f"such as {example}")
            return None
        argument = call.arguments[0]
        if argument.label is not None:
            self.plain(call, argument)
            return None
        word = bare_word(argument.value)
        built = self.build(argument.value) if word is None else tree.Text(word)
        if built is None:
            return None
        if not isinstance(built, tree.Property | tree.Context):
            hint = f"such as {example}"
            if isinstance(built, tree.Text):
                hint = f"did you mean {call.name}(property('{built.value}'))?"
            self.report.add(argument.span, f"{call.name}(…) needs a property or context field", hint)
            return None
        if argument.cast is None:
            return tree.Operand(built, span=argument.span)
        cast = argument.cast.casefold()
        if cast not in set(tree.Cast):
            hint = did_you_mean(cast, tree.Cast) or "as string, as number or as array"
            self.report.add(span_of(argument.cast), f"unknown type '{argument.cast}'", hint)
            return None
        return tree.Operand(built, tree.Cast(cast), span=argument.span)

    def minimum_frequency(self, call: Call) -> int | None:
        """The second argument of ``mode``; 2 when not given."""
        if len(call.arguments) > 2:
            self.report.add(call.arguments[2].span, "mode(…) takes a property and a minimum frequency")
            return None
        if len(call.arguments) < 2:
            return 2
        argument = call.arguments[1]
        if not self.plain(call, argument):
            return None
        built = self.build(argument.value)
        if isinstance(built, tree.Number) and isinstance(built.value, int):
            if built.value >= 1:
                return built.value
            self.report.add(argument.span, MINIMUM_FREQUENCY.what, MINIMUM_FREQUENCY.hint)
            return None
        if built is not None:
            self.report.add(
                argument.span,
                "the minimum frequency is a whole number",
                "such as mode(property('category'), 2)",
            )
        return None

    # ── comparisons ─────────────────────────────────────────────────────────────────────────────────────────

    def comparison_arguments(self, call: Call, operator: tree.Operator) -> tuple[tree.Argument, ...] | None:
        """The arguments of a comparison function; how many it takes is for the checker to say."""
        built: list[tree.Argument | None] = []
        for argument in call.arguments:
            if not self.plain(call, argument):
                built.append(None)
            elif operator in RELATIVE_DATES:
                built.append(self.duration_argument(call, argument))
            else:
                built.append(self.argument_value(argument.value))
        whole = tuple(value for value in built if value is not None)
        return whole if len(whole) == len(built) else None

    def argument_value(self, branch: Branch) -> tree.Argument | None:
        """The right side of a comparison."""
        built = self.build(branch)
        if built is None or isinstance(built, tree.Literal | tree.Duration | tree.Trait | tree.Property):
            return built
        self.report.add(
            self.place(built, branch),
            "the right side of a comparison is a literal, trait('…') or property(parent: '…')",
            "save the other value as a trait of its own and compare with trait('…')"
            if isinstance(built, tree.Reduction | tree.Stream)
            else "",
        )
        return None
