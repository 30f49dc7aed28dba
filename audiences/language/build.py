"""From what the grammar reads to the tree: junctions, comparisons, chains. Collects every problem it meets.

A method returns None where something is wrong and already reported, so that the rest can still be looked at.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lark import Token, Tree

from audiences.language import tree
from audiences.language.arguments import Built
from audiences.language.calls import Branch, Call, read_call, span_of
from audiences.language.construct import conjunction, disjunction
from audiences.language.functions import FunctionReader
from audiences.language.vocabulary import (
    COMPARISONS,
    EXTRACTORS,
    FILTERS,
    FUNCTIONS,
    MISTAKEN_SYMBOLS,
    REDUCERS,
    SYMBOLS,
    function_hint,
)

MAXIMUM_DEPTH: Final = 100
"""Steps into parentheses, NOT and nested conditions; a definition that people read takes a dozen."""

_WORDS: Final = {"AND": "AND", "OR": "OR", "NOT": "NOT"}


class Builder(FunctionReader):
    """Builds the tree of one definition; the problems are in ``report``."""

    depth = 0

    def expression(self, branch: Branch) -> tree.Expression | None:
        """The whole definition: a condition or a value."""
        built = self.build(branch)
        if isinstance(built, tree.Stream):
            self.report.add(
                self.place(built, branch),
                "a stream of events is not a result",
                "end it with a reducer, such as .count()",
            )
            return None
        if isinstance(built, tree.Literal | tree.Duration):
            self.report.add(
                self.place(built, branch),
                "a literal is not a definition",
                "a definition begins with event('…') or trait('…')",
            )
            return None
        return built

    def build(self, branch: Branch) -> Built | None:
        """Any part of the parse tree."""
        if isinstance(branch, Token):
            return self.literal(branch)
        self.depth += 1
        try:
            if self.depth > MAXIMUM_DEPTH:
                self.report.add(span_of(branch), "nested too deeply", "take the definition apart")
                return None
            match branch.data:
                case "start" | "parenthesised":
                    return self.build(branch.children[0])
                case "disjunction" | "conjunction":
                    return self.junction(branch)
                case "negation" | "any_user" | "all_users":
                    return self.prefixed(branch)
                case "comparison":
                    return self.comparison(branch)
                case "duration":
                    return self.duration(branch)
                case _:
                    return self.chain(branch)
        finally:
            self.depth -= 1

    # ── junctions ───────────────────────────────────────────────────────────────────────────────────────────

    def junction(self, branch: Tree[Token]) -> tree.Condition | None:
        """Operands with AND or OR between them."""
        operands = []
        for part in branch.children:
            if isinstance(part, Token) and part.type in ("AND", "OR"):
                self.spelled_out(part)
            else:
                operands.append(self.condition(part))
        whole = [operand for operand in operands if operand is not None]
        if len(whole) < len(operands):
            return None
        join = disjunction if branch.data == "disjunction" else conjunction
        return join(whole, span_of(branch))

    def prefixed(self, branch: Tree[Token]) -> tree.Condition | None:
        """NOT, ANY or ALL before a condition."""
        word, operand = branch.children
        if isinstance(word, Token):
            self.spelled_out(word)
        condition = self.condition(operand)
        if condition is None:
            return None
        span = span_of(branch)
        if branch.data == "negation":
            return tree.Not(condition, span=span)
        if branch.data == "any_user":
            return tree.AnyUser(condition, span=span)
        return tree.AllUsers(condition, span=span)

    def spelled_out(self, word: Token) -> None:
        """``&&``, ``||`` and ``!`` are understood, but are not the language."""
        meant = _WORDS.get(word.type)
        if meant is not None and not word.isalpha():
            self.report.add(span_of(word), f"'{word}' is not a word of the language", f"write {meant}")

    def condition(self, branch: Branch) -> tree.Condition | None:
        """A part that must be a condition."""
        built = self.build(branch)
        if built is None or isinstance(built, tree.Condition):
            return built
        span = self.place(built, branch)
        written = self.report.source.written(span)
        if isinstance(built, tree.Stream):
            what, hint = f"{written} is a stream of events, not a condition", "add .count() >= 1"
        elif isinstance(built, tree.Literal | tree.Duration):
            what, hint = (
                f"{written} is a literal, not a condition",
                "a condition compares: trait('plan') = 'free'",
            )
        elif isinstance(built, tree.Trait):
            what, hint = f"{written} is a value, not a condition", f"compare it: {written} = true"
        elif isinstance(built, tree.Count | tree.UniqueCount):
            what, hint = f"{written} is a number, not a condition", f"compare it: {written} >= 1"
        else:
            what, hint = f"{written} is a value, not a condition", f"compare it: {written} = …, or .exists()"
        self.report.add(span, what, hint)
        return None

    # ── comparisons with symbols ────────────────────────────────────────────────────────────────────────────

    def comparison(self, branch: Tree[Token]) -> tree.Comparison | None:
        """``left = right``; a second symbol is a mistake."""
        left_branch, symbol, right_branch, *rest = branch.children
        left, right = self.build(left_branch), self.argument_value(right_branch)
        if rest and isinstance(rest[0], Token):
            self.report.add(span_of(rest[0]), "nothing can follow a comparison", "join two comparisons with AND or OR")
            return None
        value = self.comparable(left, left_branch, right)
        if value is None or right is None or not isinstance(symbol, Token):
            return None
        return tree.Comparison(value, self.operator(symbol), (right,), span=span_of(branch))

    def operator(self, symbol: Token) -> tree.Operator:
        """What a symbol stands for; one from another language is reported and understood."""
        meant = MISTAKEN_SYMBOLS.get(symbol)
        if meant is not None:
            self.report.add(span_of(symbol), f"'{symbol}' is not an operator", f"write {meant}")
        return SYMBOLS[meant or str(symbol)]

    def comparable(self, built: Built | None, branch: Branch, right: tree.Argument | None = None) -> tree.Scalar | None:
        """The left side of a comparison."""
        if built is None or isinstance(built, tree.Scalar):
            return built
        span = self.place(built, branch)
        if isinstance(built, tree.Stream):
            what = "a stream of events can't be compared"
            hint = "reduce it to a value first, such as .count()"
        elif isinstance(built, tree.Condition):
            what, hint = "nothing can follow a comparison", "join two comparisons with AND or OR"
        else:
            what = "a literal can't be on the left of a comparison"
            hint = "a comparison begins with trait('…'), event('…'), property('…') or context('…')"
            if isinstance(right, tree.Trait | tree.Property):
                hint = "turn it around: the literal goes to the right"
        self.report.add(span, what, hint)
        return None

    # ── chains ──────────────────────────────────────────────────────────────────────────────────────────────

    def chain(self, branch: Tree[Token]) -> Built | None:
        """An extractor (or something in parentheses) and the calls after it."""
        head, *rest = branch.children
        calls = [read_call(part) for part in rest if isinstance(part, Tree)]
        if isinstance(head, Tree) and head.data == "call":
            first = read_call(head)
            current = self.extractor(first)
            if first.name == "entity":
                return None
        else:
            current = self.build(head)
        for call in calls:
            current = self.follow(current, call)
        return current

    def extractor(self, call: Call) -> Built | None:
        """The call that a chain begins with."""
        match call.name:
            case "event":
                name = self.name(call, "event('Order Completed')")
                name_span = call.arguments[0].span if call.arguments else None
                return tree.Stream(name, span=call.span, event_span=name_span) if name is not None else None
            case "trait":
                path = self.path(call, "trait('plan')")
                return tree.Trait(path, span=call.span) if path is not None else None
            case "property":
                return self.property(call)
            case "context":
                path = self.path(call, "context('page.url')")
                return tree.Context(path, span=call.span) if path is not None else None
            case "literal":
                return self.wrapped_literal(call)
            case "entity":
                self.report.add(call.span, "entity(…), linked audiences: not yet", not_yet=True)
            case _ if call.name in FUNCTIONS:
                self.report.add(
                    call.name_span,
                    f"{call.name}(…) needs something before it",
                    f"such as event('…').{call.name}(…)"
                    if call.name not in COMPARISONS
                    else f"such as trait('…').{call.name}(…)",
                )
                self.look_into(call)
            case _:
                self.unknown(call, EXTRACTORS)
        return None

    def follow(self, current: Built | None, call: Call) -> Built | None:
        """What a value, stream or condition becomes with one more call after it."""
        if call.name not in FUNCTIONS:
            if isinstance(current, tree.Stream):
                self.unknown(call, FILTERS + REDUCERS)
            elif current is None:
                self.unknown(call, FUNCTIONS)
            else:
                self.unknown(call, COMPARISONS)
            return None
        if current is None:
            self.look_into(call)
            return None
        if call.name in EXTRACTORS:
            self.report.add(
                call.name_span,
                f"{call.name}(…) begins an expression and can't follow a '.'",
                "join with AND or OR",
            )
            return None
        if isinstance(current, tree.Stream):
            return self.on_stream(current, call)
        if isinstance(current, tree.Condition):
            self.report.add(call.name_span, "nothing can follow a comparison", "join two comparisons with AND or OR")
            return None
        if isinstance(current, tree.Literal | tree.Duration):
            self.report.add(call.name_span, "nothing can follow a literal", "a comparison ends with its right side")
            return None
        return self.on_value(current, call)

    def on_stream(self, stream: tree.Stream, call: Call) -> Built | None:
        """Filters and reducers."""
        span = tree.Span(stream.span.start if stream.span else call.span.start, call.span.end)
        if call.name in FILTERS:
            added = self.where(call) if call.name == "where" else self.filter(call)
            return replace(stream, filters=(*stream.filters, added), span=span) if added is not None else None
        if call.name in REDUCERS:
            return self.reduction(stream, call, span)
        self.report.add(
            call.name_span,
            f"{call.name}(…) compares a value, and this is a stream of events",
            f"reduce it first, such as .count().{call.name}(…)",
        )
        return None

    def where(self, call: Call) -> tree.Where | None:
        """The filter with a condition in it."""
        argument = self.only(call, "a condition", "where(property('price') > 20)")
        if argument is None:
            return None
        if len(call.arguments) > 1:
            self.report.add(call.arguments[1].span, "where(…) takes one condition", "join conditions with AND or OR")
            return None
        condition = self.condition(argument.value)
        return tree.Where(condition, span=call.span) if condition is not None else None

    def on_value(self, value: tree.Scalar, call: Call) -> Built | None:
        """Comparisons, and the count of a unique list."""
        span = tree.Span(value.span.start if value.span else call.span.start, call.span.end)
        if isinstance(value, tree.UniqueList) and call.name == "count":
            if not self.nothing_inside(call):
                return None
            return tree.UniqueCount(value.stream, value.operand, span=span)
        if call.name not in COMPARISONS:
            kind = "reducer" if call.name in REDUCERS else "filter"
            if isinstance(value, tree.Trait | tree.Property | tree.Context):
                what = f"{call.name}(…) is a {kind} of events, and this is a single value"
                hint = "a trait, property or context field can only be compared"
            else:
                what = f"{call.name}(…) is a {kind} of events, and these are reduced already"
                hint = "filters go before the reducer, and there is one reducer"
            self.report.add(call.name_span, what, hint)
            return None
        operator = tree.Operator(call.name)
        arguments = self.comparison_arguments(call, operator)
        if arguments is None:
            return None
        return tree.Comparison(value, operator, arguments, span=span)

    def unknown(self, call: Call, possible: tuple[str, ...]) -> None:
        """A function that there isn't."""
        self.report.add(call.name_span, f"unknown function '{call.name}'", function_hint(call.name, possible))
        self.look_into(call)

    def look_into(self, call: Call) -> None:
        """Problems inside the arguments of a call that can't be built itself."""
        for argument in call.arguments:
            self.build(argument.value)
