"""Delivery: what destinations should have, minus what they have acknowledged, as messages."""

from __future__ import annotations

from audiences.delivery.checks import check_destinations
from audiences.delivery.results import DeliveryResult
from audiences.delivery.syncs import deliver

__all__ = ["DeliveryResult", "check_destinations", "deliver"]
