"""The profiles of a bucket, or its accounts, and what is known of them: traits, computed values, measures of events."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import orjson
import polars as pl

from audiences.definitions.computation import Computation, Kind
from audiences.engines.polars_conditions import Rows, Scope
from audiences.engines.polars_snapshots import Snapshot
from audiences.events.accounts import users_of_accounts
from audiences.events.json_columns import values_at
from audiences.events.needs import column_name
from audiences.events.values import VALUE, value_of_json, values_from_column
from audiences.language import tree
from audiences.language.selections import Measure, Statistic, measure

COUNTED: Final = frozenset({Statistic.COUNT, Statistic.UNIQUE_COUNT})
"""Statistics that are 0, not missing, where there is nothing to count inside an audience."""

ID: Final = "id"
ANONYMOUS: Final = "anonymous"
VALUE_OF: Final = "value"


class Profiles(Rows):
    """The profiles, or accounts, of a bucket, one per row; ``computed`` and ``measured`` say which column has what."""

    def __init__(self, frame: pl.DataFrame) -> None:
        super().__init__(frame)
        self.computed: dict[str, str] = {}
        self.measured: dict[Measure, str] = {}
        self._paths: dict[tree.Path, str] = {}
        self._zeros: dict[Measure, str] = {}

    def give(self, computation: Computation, snapshot: Snapshot | None) -> None:
        """Takes the values of a computation from its snapshot.

        A profile that isn't in an audience's snapshot is not a member; without a snapshot nobody is.
        """
        ids = self.frame.get_column(ID)
        nothing = pl.repeat(None, len(ids), dtype=pl.String, eager=True)
        text = nothing if snapshot is None else snapshot.values(ids)
        if computation.kind is Kind.AUDIENCE:
            text = text.fill_null("false")
        self.computed[computation.key] = self.add(text.to_frame("it").select(value_of_json(pl.col("it"))).to_series())

    def give_of_accounts(self, computation: Computation, snapshot: Snapshot | None) -> None:
        """Takes an account-level audience from a snapshot of accounts: true if an account of the user is a member."""
        found = pl.repeat(False, self.frame.height, dtype=pl.Boolean, eager=True)
        if snapshot is not None:
            users = users_of_accounts(self.frame)
            is_member = snapshot.values(users.get_column("account")).is_not_null()
            found = found.scatter(users.get_column("row").filter(is_member).unique(), True)
        self.computed[computation.key] = self.add(found)

    def trait(self, path: tree.Path) -> str:
        """The column of a computation's value, or of a path into it; else of a custom trait."""
        key, *inner = path
        if key not in self.computed:
            return column_name("trait", path)
        if not inner:
            return self.computed[key]
        if path not in self._paths:
            self._paths[path] = self.add(inside(self.values_of(key), tuple(inner)))
        return self._paths[path]

    def values_of(self, key: str) -> pl.Series:
        """What was computed, as VALUE."""
        values = self.column(self.computed[key]).plain()
        return values if values.dtype == VALUE else values_from_column(values)

    def measure_or_zero(self, item: Measure) -> str:
        """The column of a counting measure with 0 where there is nothing to count."""
        if item not in self._zeros:
            self._zeros[item] = self.add(self.frame[self.measured[item]].fill_null(0))
        return self._zeros[item]


class ProfileScope(Scope):
    """The profiles as one computation sees them. ``audience``: counts of nothing are 0."""

    def __init__(self, profiles: Profiles, as_of: datetime, *, since: datetime | None, audience: bool) -> None:
        super().__init__(profiles, as_of)
        self.profiles = profiles
        self.since = since
        self.audience = audience

    def column(self, scalar: tree.Scalar) -> str:
        """The column of a trait, or of a measure of the profile's events."""
        return self.rows.plain(self.stored(scalar))

    def stored(self, scalar: tree.Scalar) -> str:
        """The same, in the form in which it was found."""
        match scalar:
            case tree.Trait(path=path):
                return self.profiles.trait(path)
            case tree.Property() | tree.Context():
                raise TypeError("a property or context field has no value outside the events")
            case _:
                item = measure(scalar, self.since)
                if self.audience and item.statistic in COUNTED:
                    return self.profiles.measure_or_zero(item)
                return self.profiles.measured[item]


def inside(values: pl.Series, path: tree.Path) -> pl.Series:
    """What a path leads to inside each value: VALUE, or List(VALUE) where the path reaches into arrays.

    Only objects and arrays have an inside; each different one is read once.
    """
    is_json = pl.col("kind") == "json"
    texts = values.struct.unnest().select(pl.when(is_json).then(pl.col("text"))).to_series().to_list()
    read: dict[str | None, object] = {text: None if text is None else orjson.loads(text) for text in set(texts)}
    return values_at([{VALUE_OF: read[text]} for text in texts], (VALUE_OF, *path))
