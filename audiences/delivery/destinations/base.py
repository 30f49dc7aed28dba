"""What a destination is to this package: a small class that takes a sync's messages and says what arrived."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import polars as pl


@dataclass(frozen=True, slots=True)
class Sync:
    """One delivery of one computation to one destination. ``number`` counts them; ``as_of`` and ``run`` are
    its run's.

    A sync that was killed is done again with the same number.
    """

    destination: str
    computation: str
    as_of: datetime
    run: int
    number: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Some messages of a sync: ``rows`` as planned, with ``message_id``, and their JSON texts in the same
    order.
    """

    rows: pl.DataFrame
    messages: pl.Series


class EventDestination(ABC):
    """A destination that takes messages one by one. Subclasses are made with what ``space.yml`` says of them.

    A sync goes: ``settle``, then ``send``, then what ``send`` yielded is recorded as acknowledged in one
    transaction, then ``finish``. If the process dies in between, the next sync starts with ``settle`` again,
    which is told how many syncs were recorded: what belongs to a later one never counted.
    """

    type: ClassVar[str]

    whole: ClassVar[bool] = False
    """Whether nothing of a sync has arrived before ``send`` comes to its end."""

    def __init__(self, name: str, settings: Mapping[str, Any], root: Path) -> None:
        self.name, self.settings, self.root = name, settings, root

    @classmethod
    @abstractmethod
    def mistakes(cls, settings: Mapping[str, Any]) -> list[str]:
        """What is wrong with the settings of a destination of this type, a sentence each."""

    def place(self) -> str:
        """What two destinations of this type must not share; empty if they may share everything."""
        return ""

    def settle(self, computation: str, recorded: int) -> None:  # noqa: B027 - most have nothing to settle
        """Ends what an earlier sync of the computation left: completes it if it was recorded, else drops it.

        Raises:
            DeliveryError: if the destination can't be reached or written.
        """

    @abstractmethod
    def send(self, sync: Sync, batches: Iterable[Batch]) -> Iterator[pl.DataFrame]:
        """Sends the messages and yields the rows of those that arrived for certain.

        Raises:
            DeliveryError: if the destination can't be reached or written; what was yielded before counts, unless a sync
                arrives as a ``whole``.
        """

    def finish(self, sync: Sync) -> str:
        """Called when the sync is recorded. Returns where its messages are, if that is a place to look at.

        Raises:
            DeliveryError: if it can't be completed now; the next ``settle`` does it.
        """
        return ""
