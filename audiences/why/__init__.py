"""Why a profile or account is in an audience, or has its value: every condition, what it saw, and until when.

Every answer in an explanation is one of the engine, computed from the events of the profile or account alone: an
explanation can't disagree with a run.
"""

from audiences.why.explain import explain
from audiences.why.explanation import Evidence, Explanation, Fact, SeenEvent, Step, StepKind, Until

__all__ = ["Evidence", "Explanation", "Fact", "SeenEvent", "Step", "StepKind", "Until", "explain"]
