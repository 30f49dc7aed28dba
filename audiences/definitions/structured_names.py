"""The keys of the structured form, in one place for the reader, the printer and the JSON Schema.

Every operator of the language has its own name as a key (``equals``, ``contains``, ``within_last``, …).
Filters and reducers have, too, but for ``avg``, ``min`` and ``max``, which are spelled out, and for ``mode``,
``unique`` and ``expires_after``, which are called ``most_frequent``, ``unique_list`` and ``session``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from audiences.language import tree
from audiences.language.tree import Operator

ALL, ANY, NONE = "all", "any", "none"
JUNCTIONS: Final = (ALL, ANY, NONE)
ANY_USER, ALL_USERS, NO_USER = "any_user", "all_users", "none_of_the_users"
USERS: Final = (ANY_USER, ALL_USERS, NO_USER)
LISTS_OF_CONDITIONS: Final = JUNCTIONS + USERS

EVENT, TRAIT, AUDIENCE = "event", "trait", "audience"
PROPERTY, CONTEXT, PARENT = "property", "context", "parent"
CONDITION_HEADS: Final = (*LISTS_OF_CONDITIONS, EVENT, TRAIT, AUDIENCE, PROPERTY, CONTEXT, PARENT)
"""Exactly one of these begins a condition."""

WHERE, SOURCES, WITHIN, BETWEEN, SESSION = "where", "sources", "within", "between", "session"
THEN, THEN_NOT, FILTERS, WAIT = "then", "then_not", "filters", "wait"
FILTER_KEYS: Final = (WHERE, SOURCES, WITHIN, BETWEEN, SESSION)
STREAM_KEYS: Final = (EVENT, WHERE, THEN, THEN_NOT, SOURCES, WITHIN, BETWEEN, SESSION, FILTERS)

COUNT, EXACTLY = "count", "exactly"
AGGREGATES: Final[Mapping[str, tree.Function]] = {
    "sum": tree.Function.SUM,
    "average": tree.Function.AVERAGE,
    "minimum": tree.Function.MINIMUM,
    "maximum": tree.Function.MAXIMUM,
}
MOST_FREQUENT, MINIMUM_FREQUENCY = "most_frequent", "minimum_frequency"
FIRST, LAST, UNIQUE_LIST, UNIQUE_LIST_COUNT = "first", "last", "unique_list", "unique_list_count"
VALUE_REDUCERS: Final = (*AGGREGATES, MOST_FREQUENT, FIRST, LAST, UNIQUE_LIST, UNIQUE_LIST_COUNT)
"""What a condition on an event may compare instead of its count."""

EVENT_COUNTER, AGGREGATION, FUNCTION, CAST = "event_counter", "aggregation", "function", "as"
REDUCER_FORMS: Final = (
    EVENT_COUNTER,
    AGGREGATION,
    MOST_FREQUENT,
    FIRST,
    LAST,
    UNIQUE_LIST,
    UNIQUE_LIST_COUNT,
)
TRAIT_FORMS: Final = (*REDUCER_FORMS, TRAIT)
TRAIT_KEYS: Final = (*TRAIT_FORMS, WHERE, THEN, THEN_NOT, SOURCES, WITHIN, BETWEEN, SESSION, FILTERS)
"""All structured keys of a trait."""

OPERATORS: Final[Mapping[str, Operator]] = {operator.value: operator for operator in Operator}
COUNT_OPERATORS: Final[Mapping[str, Operator]] = {EXACTLY: Operator.EQUALS, **OPERATORS}
WITHOUT_ARGUMENT: Final = frozenset({Operator.EXISTS, Operator.ABSENT})
RELATIVE_DATES: Final = frozenset(
    {Operator.WITHIN_LAST, Operator.WITHIN_NEXT, Operator.BEFORE_LAST, Operator.AFTER_NEXT}
)
TEXT_OPERATORS: Final = frozenset(
    {
        Operator.CONTAINS,
        Operator.OMITS,
        Operator.STARTS_WITH,
        Operator.ENDS_WITH,
        Operator.ONE_OF,
        Operator.NONE_OF,
    }
)
"""Operators that may be given a list."""

LIST_OPERATORS: Final = frozenset({Operator.CONTAINS, Operator.ONE_OF, Operator.NONE_OF})
"""Operators that are printed with a list even if there is one value only."""

MEMBER: Final = "member"
EVENT_LEAF_KEYS: Final = (
    *STREAM_KEYS,
    COUNT,
    *VALUE_REDUCERS,
    MINIMUM_FREQUENCY,
    *OPERATORS,
)
AUDIENCE_KEYS: Final = (
    *LISTS_OF_CONDITIONS,
    *EVENT_LEAF_KEYS,
    TRAIT,
    AUDIENCE,
    MEMBER,
)
"""All structured keys of an audience; a single condition may stand where ``all`` would."""
