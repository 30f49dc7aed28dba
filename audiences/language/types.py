"""The type of a definition's result."""

from __future__ import annotations

from enum import StrEnum

from audiences.language import tree


class ResultType(StrEnum):
    """What kind of value a definition gives."""

    BOOLEAN = "boolean"  # a condition
    INTEGER = "integer"  # counts
    NUMBER = "number"  # sum, avg, min, max
    TEXT = "text"  # mode, min and max as string
    LIST = "list"  # unique: a list of text
    ANY = "any"  # first, last, trait: what is in the data


def result_type(expression: tree.Expression) -> ResultType:
    """The type of what a definition, or a part of one, gives."""
    match expression:
        case tree.Count() | tree.UniqueCount():
            return ResultType.INTEGER
        case tree.Aggregate():
            ordered_as_text = (
                expression.function in (tree.Function.MINIMUM, tree.Function.MAXIMUM)
                and expression.operand.cast == tree.Cast.STRING
            )
            return ResultType.TEXT if ordered_as_text else ResultType.NUMBER
        case tree.MostFrequent():
            return ResultType.TEXT
        case tree.UniqueList():
            return ResultType.LIST
        case tree.First() | tree.Last() | tree.Trait() | tree.Property() | tree.Context():
            return ResultType.ANY
        case _:
            return ResultType.BOOLEAN
