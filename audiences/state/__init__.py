"""The state location: what every computation's values are, how they came to be, and what destinations have.

Delta tables hold the data, a manifest per run says which versions of them belong together. ``State`` is the
way in.
"""

from __future__ import annotations

from audiences.state.acknowledged import Acknowledged
from audiences.state.decision import Decision, Occasion, decide
from audiences.state.draft import Computed, Draft, RunResult
from audiences.state.manifest import ComputationRecord, Manifest
from audiences.state.results import Results
from audiences.state.store import State
from audiences.state.universe import ProfileChanges

__all__ = [
    "Acknowledged",
    "ComputationRecord",
    "Computed",
    "Decision",
    "Draft",
    "Manifest",
    "Occasion",
    "ProfileChanges",
    "Results",
    "RunResult",
    "State",
    "decide",
]
