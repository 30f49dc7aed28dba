"""Rows that are not computed, counted by reason, with a few samples of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

SAMPLES: Final = 10
"""How many samples of each reason are kept."""


class Reason(StrEnum):
    """Why a row is not computed. A row has the first reason of this order that applies."""

    UNREADABLE_FILE = "unreadable_file"
    ID_NOT_STRING = "id_not_string"
    NO_ID = "no_user_anon_id"
    MESSAGE_ID_TOO_LONG = "message_id_too_long"
    BAD_TIMESTAMP = "bad_timestamp"
    EVENT_NOT_STRING = "event_not_string"
    EVENT_NOT_DEFINED = "event_not_defined"
    BAD_GROUP_ID = "bad_group_id"
    PROPERTIES_NOT_OBJECT = "properties_not_object"
    TOO_MANY_PROPERTIES = "too_many_properties"
    TRAITS_NOT_OBJECT = "traits_not_object"


@dataclass(frozen=True, slots=True)
class Sample:
    """A rejected row: which file or frame, which row of it (from 0; -1 for all of it), and what it says."""

    reason: str
    path: str
    row: int = -1
    message_id: str | None = None
    excerpt: str = ""


class Rejects:
    """Counts by reason code, and up to ten samples each, or ``samples``: the first in the order of paths and rows."""

    def __init__(self, samples: int = SAMPLES) -> None:
        self._most = samples
        self._counts: Counter[str] = Counter()
        self._samples: dict[str, list[Sample]] = {}

    @property
    def counts(self) -> dict[str, int]:
        """Rows by the reasons that occurred, in the order of ``Reason``."""
        return {reason.value: self._counts[reason] for reason in Reason if self._counts[reason]}

    @property
    def samples(self) -> dict[str, list[dict[str, object]]]:
        """For each reason that occurred its samples, as mappings of the fields of ``Sample``."""
        return {reason: [asdict(sample) for sample in self._samples.get(reason, ())] for reason in self.counts}

    @property
    def total(self) -> int:
        """All rejected rows."""
        return self._counts.total()

    def wanted(self, reason: str) -> int:
        """How many more samples of a reason are of use."""
        return self._most - len(self._samples.get(reason, ()))

    def count(self, reason: str, rows: int) -> None:
        """Count rows."""
        self._counts[reason] += rows

    def sample(self, sample: Sample) -> None:
        """Keep a sample, unless there are enough of its reason."""
        if self.wanted(sample.reason) > 0:
            self._samples.setdefault(sample.reason, []).append(sample)
