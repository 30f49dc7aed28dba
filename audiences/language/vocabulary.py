"""The words of the query language, and what people write when they mean one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from audiences.language.suggest import nearest
from audiences.language.tree import Operator, Unit

EXTRACTORS: Final = ("event", "trait", "property", "context", "literal", "entity")
FILTERS: Final = ("where", "sources", "within", "between", "expires_after")
REDUCERS: Final = ("count", "sum", "avg", "min", "max", "mode", "first", "last", "unique")
COMPARISONS: Final = tuple(operator.value for operator in Operator)
FUNCTIONS: Final = EXTRACTORS + FILTERS + REDUCERS + COMPARISONS

RELATIVE_DATES: Final = frozenset(
    {Operator.WITHIN_LAST, Operator.WITHIN_NEXT, Operator.BEFORE_LAST, Operator.AFTER_NEXT}
)
"""The comparisons whose argument is a duration."""

SYMBOLS: Final[Mapping[str, Operator]] = {
    "=": Operator.EQUALS,
    "==": Operator.EQUALS,
    "!=": Operator.DIFFERS,
    ">": Operator.GREATER_THAN,
    ">=": Operator.AT_LEAST,
    "<": Operator.LESS_THAN,
    "<=": Operator.AT_MOST,
}

MISTAKEN_SYMBOLS: Final[Mapping[str, str]] = {
    "===": "=",
    "!==": "!=",
    "<>": "!=",
    "=<": "<=",
    "=>": ">=",
    "≠": "!=",
    "≤": "<=",
    "≥": ">=",
}

UNITS: Final[Mapping[str, Unit]] = {
    **{unit.value: unit for unit in Unit},
    **{f"{unit.value}s": unit for unit in Unit},
}

ABBREVIATED_UNITS: Final[Mapping[str, str]] = {"d": "days", "h": "hours", "hr": "hours", "hrs": "hours"}

OTHER_UNITS_IN_DAYS: Final[Mapping[str, int]] = {"week": 7, "month": 30, "quarter": 90, "year": 365}
"""Units that the language doesn't have, for a hint. Only a week is exactly that long."""

SYNONYMS: Final[Mapping[str, str]] = {
    "average": "avg",
    "mean": "avg",
    "median": "avg",
    "minimum": "min",
    "maximum": "max",
    "total": "sum",
    "most_frequent": "mode",
    "distinct": "unique",
    "unique_list": "unique",
    "size": "count",
    "length": "count",
    "earliest": "first",
    "latest": "last",
    "filter": "where",
    "having": "where",
    "session": "expires_after",
    "since": "within",
    "eq": "equals",
    "equal": "equals",
    "is": "equals",
    "ne": "differs",
    "not_equals": "differs",
    "gt": "greater_than",
    "gte": "at_least",
    "lt": "less_than",
    "lte": "at_most",
    "is_set": "exists",
    "is_null": "absent",
    "not_exists": "absent",
    "missing": "absent",
    "includes": "contains",
    "like": "contains",
    "not_contains": "omits",
    "excludes": "omits",
    "in": "one_of",
    "not_in": "none_of",
    "before": "before_date",
    "after": "after_date",
    "user": "trait",
    "audience": "trait",
    "prop": "property",
    "field": "property",
}

SQL_HABITS: Final[Mapping[str, str]] = {
    "in": ".one_of('a', 'b') compares with several values",
    "like": ".contains('…'), .starts_with('…') and .ends_with('…') look inside text",
    "ilike": ".contains('…'), .starts_with('…') and .ends_with('…') look inside text",
    "is": ".absent() and .exists() ask for missing values, = for equal ones",
    "between": "write x >= 1 AND x <= 2; between(…) is a window of events",
    "xor": "write (a AND NOT (b)) OR (b AND NOT (a))",
    "contains": "write .contains('…')",
    "equals": "write = or .equals(…)",
    "where": "write .where(…)",
    "within": "write .within(7 days)",
}

NOTHING: Final = frozenset({"null", "none", "nil", "undefined", "nan"})
"""Words for a missing value, which the language asks for with ``absent()``."""


def function_hint(word: str, candidates: Iterable[str]) -> str:
    """What an unknown function was probably meant to be, else the functions that could stand there."""
    possible = tuple(candidates)
    meant = SYNONYMS.get(word.casefold())
    found = meant if meant in possible else nearest(word, possible)
    return f"did you mean '{found}'?" if found else f"possible here: {', '.join(possible)}"
