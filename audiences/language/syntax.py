"""Text → what the grammar reads. Says in people's words what is wrong where the grammar can't go on."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from audiences.language.calls import span_of
from audiences.language.places import Report
from audiences.language.tree import Span
from audiences.language.vocabulary import EXTRACTORS, FUNCTIONS, SQL_HABITS

_CLOSING: Final = {"LPAR": "RPAR", "LBRACE": "RBRACE", "LSQB": "RSQB"}
_WRITTEN: Final = {"LPAR": "(", "RPAR": ")", "LBRACE": "{", "RBRACE": "}", "LSQB": "[", "RSQB": "]"}
_OPERANDS: Final = frozenset({"NAME", "STRING", "CURLED", "NUMBER", "INSTANT", "BOOLEAN"})
_WORDS: Final = frozenset({"AND", "OR", "NOT", "ANY", "ALL"})
_ARITHMETIC: Final = frozenset("+-*/%^")
_END: Final = "$END"


@cache
def parser() -> Lark:
    """The parser; the grammar is read once."""
    grammar = files(__package__).joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="basic", propagate_positions=True, maybe_placeholders=False)


def read(report: Report) -> Tree[Token] | None:
    """What the grammar makes of a definition; None if it can't be read, with the problem reported."""
    if not report.source.text.strip():
        report.add(Span(0, 0), "the definition is empty", "a definition begins with event('…') or trait('…')")
        return None
    tokens = _tokens(report)
    if tokens is None or not _brackets_match(tokens, report):
        return None
    interactive = parser().parse_interactive()
    previous: list[Token] = []
    try:
        for token in tokens:
            interactive.feed_token(token)
            previous.append(token)
        tree: Tree[Token] = interactive.feed_token(Token.new_borrow_pos(_END, "", tokens[-1]))
    except UnexpectedToken as error:
        _report_unexpected(error.token, previous, report)
        return None
    return tree


# ── characters ──────────────────────────────────────────────────────────────────────────────────────────────


def _tokens(report: Report) -> list[Token] | None:
    tokens: list[Token] = []
    try:
        tokens.extend(parser().lex(report.source.text))
    except UnexpectedCharacters as error:
        # Lark's types say that there is no position.
        position: int = vars(error)["pos_in_stream"]
        _report_character(position, tokens, report)
        return None
    return tokens


def _report_character(position: int, tokens: list[Token], report: Report) -> None:
    text = report.source.text
    character = text[position]
    span = Span(position, position + 1)
    if character in "'\"":
        _report_open_string(position, tokens, report)
    elif character in "‘’‚‛“”„‟`´«»":
        report.add(span, f"typographic quote {character}", "write straight quotes: '…'")
    elif text.startswith("--", position) or character == "#" or text.startswith("//", position):
        report.add(span, "a definition has no comments", "the key description: is for that")
    elif character in _ARITHMETIC:
        report.add(span, f"there is no arithmetic: '{character}'")
    elif character == ";":
        report.add(span, "a definition needs no ';'", "leave it out")
    elif character == "\\":
        report.add(span, "a backslash outside of a string")
    else:
        report.add(span, f"unexpected character '{character}'")


def _report_open_string(position: int, tokens: list[Token], report: Report) -> None:
    """A quote is missing. Where a word touches a string's end, that quote was meant to begin the next one."""
    text = report.source.text
    for token in tokens:
        if token.type == "STRING" and token.end_pos is not None:
            after = text[token.end_pos : token.end_pos + 1]
            if (after.isalnum() or after == "_") and token.start_pos is not None:
                report.add(
                    Span(token.start_pos, token.end_pos),
                    "this string is never closed",
                    "add the closing quote",
                )
                return
    line_end = text.find("\n", position)
    end = line_end if line_end >= 0 else len(text)
    report.add(Span(position, end), "this string is never closed", f"add {text[position]} where it ends")


# ── brackets ────────────────────────────────────────────────────────────────────────────────────────────────


def _brackets_match(tokens: list[Token], report: Report) -> bool:
    """Reports every bracket without its counterpart."""
    open_brackets: list[Token] = []
    found = len(report.problems)
    for token in tokens:
        if token.type in _CLOSING:
            open_brackets.append(token)
        elif token.type in _CLOSING.values():
            if not open_brackets:
                report.add(span_of(token), f"this '{token}' closes nothing", "leave it out, or open it before")
            elif _CLOSING[open_brackets[-1].type] != token.type:
                opened = open_brackets.pop()
                report.add(
                    span_of(token),
                    f"'{opened}' is closed by '{token}'",
                    f"write '{_WRITTEN[_CLOSING[opened.type]]}'",
                )
            else:
                open_brackets.pop()
    for opened in open_brackets:
        closing = _WRITTEN[_CLOSING[opened.type]]
        report.add(span_of(opened), f"this '{opened}' is never closed", f"a '{closing}' is missing")
    return len(report.problems) == found


# ── words in the wrong order ────────────────────────────────────────────────────────────────────────────────


def _report_unexpected(token: Token, previous: list[Token], report: Report) -> None:
    before = previous[-1] if previous else None
    end = len(report.source.text.rstrip())
    span = Span(end, end + 1) if token.type == _END else span_of(token)
    if [earlier.type for earlier in previous[-2:]] == ["DOT", "NAME"]:
        name = previous[-1]
        report.add(span_of(name), f"'{name}' needs parentheses", f"write .{name}(…)")
        return
    what, hint = _after_operand(token, before) if _ends_operand(before) else _instead_of_operand(token, before)
    report.add(span, what, hint)


def _ends_operand(token: Token | None) -> bool:
    return token is not None and token.type in _OPERANDS | {"RPAR", "RBRACE", "RSQB"}


def _after_operand(token: Token, before: Token | None) -> tuple[str, str]:
    """A value is complete, and what comes next can't follow it."""
    word = token.casefold()
    if token.type == _END:
        return "the definition ends too early", "a '(' is missing after a function's name"
    if token.type == "NOT" and not token.isalpha():
        return "'!' can't stand here", "write != for 'differs'"
    if token.type == "NOT":
        return (
            "NOT can't stand after a value",
            "write NOT before the whole comparison, or use none_of, omits, differs",
        )
    if token.type == "NAME" and word in SQL_HABITS:
        return f"'{token}' is not an operator here", SQL_HABITS[word]
    if token.type == "NAME" and token in FUNCTIONS:
        hint = "AND or OR between conditions" if token in EXTRACTORS else "a '.' between the calls of a chain"
        return f"something is missing before '{token}'", hint
    if token.type == "NAME" and before is not None and before.type == "NUMBER":
        return (
            f"a duration can't stand here: {before} {token}",
            "durations stand in within(7 days) and the like",
        )
    if token.type in _OPERANDS | _WORDS | {"LPAR"}:
        return (
            f"something is missing before {_name(token)}",
            "AND or OR between conditions, ',' between arguments",
        )
    if token.type == "SYMBOL":
        return f"'{token}' can't stand here", "a comparison has a value on its left"
    if token.type == "COMMA":
        return "a ',' outside of a function's arguments", "join conditions with AND or OR"
    if token.type in ("LSQB", "LBRACE"):
        return f"{_name(token)} can't stand here", "names go into round parentheses: trait('plan')"
    return f"{_name(token)} can't stand here", ""


def _instead_of_operand(token: Token, before: Token | None) -> tuple[str, str]:
    """A value or condition should come next and doesn't."""
    after = f" after {_name(before)}" if before is not None else ""
    if before is not None and before.type == "DOT":
        return f"a function's name is missing{after}", "such as .count()"
    if before is not None and before.type == "SYMBOL" and token.type == "SYMBOL":
        return f"two operators in a row: {before} {token}", "one of = != > >= < <=, without blanks inside"
    if before is not None and before.type == "SYMBOL":
        return f"a value is missing{after}", "text in quotes, a number, true, false, a date or trait('…')"
    if before is not None and before.type in _WORDS:
        return f"a condition is missing{after}", f"{before.upper()} needs one on its right"
    if token.type in ("AND", "OR"):
        return f"a condition is missing before {_name(token)}", f"{token.upper()} needs one on its left"
    if token.type == "SYMBOL":
        return f"a value is missing before {_name(token)}", "a comparison has a value on its left"
    if before is not None and before.type == "COMMA":
        return f"an argument is missing{after}", "leave the ',' out"
    if token.type == "DOT":
        return "a '.' needs something before it", "a chain begins with event('…') or trait('…')"
    return f"something is missing before {_name(token)}", ""


def _name(token: Token) -> str:
    if token.type == _END:
        return "the end"
    return str(token) if token.type == "STRING" else f"'{token}'"
