"""What a destination has acknowledged, kept apart from runs: it is a fact, whatever is computed later.

One Delta table per destination, one transaction per sync; the newest version is the truth.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from audiences.errors import StateError
from audiences.events.instants import INSTANT
from audiences.state.storage import Storage
from audiences.state.tables import Table, valid_key

ACKNOWLEDGED: Final[dict[str, pl.DataType]] = {
    "computation": pl.String(),
    "call": pl.String(),
    "identifier_type": pl.String(),
    "identifier_value": pl.String(),
    "profile_id": pl.String(),
    "value": pl.String(),
    "attempts": pl.Int64(),
    "as_of": INSTANT,
    "run": pl.Int64(),
    "message_id": pl.String(),
    "strategy": pl.String(),
}
"""One row per computation, call (identify, track) and identifier.

``value`` is the JSON text that was acknowledged last: ``false`` for an exit, null for a cleared trait.
``attempts`` counts the messages made for the row. ``as_of`` and ``run`` are of the run that was delivered,
``message_id`` is null where nothing was sent (``first_sync: changes_only``), ``strategy`` is how the
profile's identifiers were chosen.
"""

ROW: Final = ("call", "identifier_type", "identifier_value")
"""What identifies a row within a computation."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
TIDY_EVERY: Final = 64  # syncs


class Acknowledged:
    """The acknowledged values of one destination, as of when this was made; ``record`` adds to them."""

    def __init__(self, storage: Storage, destination: str) -> None:
        if NAME.fullmatch(destination) is None:
            raise StateError(
                f"{destination!r} can't be the name of a destination",
                where=storage.location,
                hint="use letters, digits, '_', '-' and '.', and begin with a letter or digit",
            )
        self.destination = destination
        self._storage = storage
        self._table = Table(storage, f"acknowledged/{destination}", ACKNOWLEDGED, partitioned=True)
        with storage.guarded("read"):
            self._version = self._table.latest()

    def rows(self, computation: str) -> pl.DataFrame:
        """The rows of a computation (see ``ACKNOWLEDGED``), sorted by call and identifier."""
        with self._storage.guarded("read"):
            return self._table.scan(self._version, valid_key(computation)).collect().sort(*ROW)

    def syncs(self, computation: str) -> int:
        """How many syncs of a computation were recorded; 0: it was never synced."""
        with self._storage.guarded("read"):
            return self._table.sync_number(valid_key(computation), self._version)

    def record(self, computation: str, rows: pl.DataFrame, *, sync: int) -> None:
        """Stores the outcome of a sync in one transaction: ``rows`` replace those of the same call and
        identifier.

        ``sync`` is the number of the sync, one more than ``syncs`` says.

        Raises:
            StateError: if it can't be written, or another process recorded something since this was made.
        """
        kept = self.rows(computation).join(rows, on=list(ROW), how="anti", nulls_equal=True)
        merged = pl.concat([kept, rows.select(*ACKNOWLEDGED)]).sort(*ROW)
        with self._storage.guarded("write"):
            self._version = self._table.replace(
                [(computation, merged)], [computation], base=self._version, sync=(valid_key(computation), sync)
            )

    def tidy(self) -> None:
        """Removes files that earlier versions needed, now and then."""
        if self._version and self._version % TIDY_EVERY == 0:
            with self._storage.guarded("write"):
                self._version = self._table.tidy(base=self._version)
