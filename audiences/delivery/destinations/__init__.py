"""The destination types, by the name that ``type:`` has in ``space.yml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from audiences.delivery.destinations.base import EventDestination
from audiences.delivery.destinations.jsonl import JsonLines

TYPES: Final[Mapping[str, type[EventDestination]]] = {JsonLines.type: JsonLines}
"""The types that can be sent to."""

NOT_YET: Final = ("webhook", "segment", "postgres", "csv_list", "kafka")
"""The types that are known and can't be sent to yet."""
