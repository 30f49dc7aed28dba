"""How much is held in memory at once."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

from audiences.events.store.reading import Cut

_KEYS_IN_PART: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is held in memory at once, in rows of events."""

    rows_in_memory: int = 1_500_000
    rows_in_bucket: int = 1_000_000
    most_parts: int = 200  # memory and open files grow with them

    def cut(self, rows: int) -> Cut:
        """How rows are put down while they are read."""
        if rows <= self.rows_in_memory:
            return Cut(1, 1, self.rows_in_bucket)
        buckets = min(max(1, ceil(rows / self.rows_in_bucket)), self.most_parts)
        parts = min(max(1, ceil(rows / _KEYS_IN_PART)), self.most_parts)
        return Cut(buckets, parts, max(1, self.rows_in_bucket // 3))
