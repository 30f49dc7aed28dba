"""What a delivery did, as it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from audiences.errors import Problem


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """One computation to one destination.

    - ``created``: messages made; ``delivered``: those that arrived. In a dry run nothing is delivered.
    - ``unsent``: values taken as acknowledged without a message (``first_sync: changes_only``).
    - ``no_identifier``: profiles with a value and no identifier that the destination takes.
    - ``conflicts``: identifiers that several profiles have, where a trait could only have one profile's
      value.
    - ``held``: the messages wait for a confirmation; nothing was sent.
    - ``where``: the file that was written; ``samples``: in a dry run, the first messages.
    - ``problem``: why it failed; what was not delivered is delivered by the next run.
    """

    destination: str
    computation: str
    created: int = 0
    delivered: int = 0
    unsent: int = 0
    no_identifier: int = 0
    conflicts: int = 0
    first_sync: bool = False
    held: bool = False
    note: str = ""
    where: str = ""
    samples: tuple[str, ...] = ()
    problem: Problem | None = None

    def __str__(self) -> str:
        if self.problem is not None:
            counted = f"failed: {self.problem.what}"
        elif self.held:
            counted = f"{self.created:,} messages held"
        elif not self.created:
            counted = "nothing to send"
        elif self.created == self.delivered:
            counted = f"{self.delivered:,} messages delivered"
        else:
            counted = f"{self.created:,} messages, {self.delivered:,} delivered"
        details = [counted]
        if self.unsent:
            details.append(f"{self.unsent:,} values noted without a message (first_sync: changes_only)")
        if self.no_identifier:
            details.append(f"{self.no_identifier:,} without an identifier")
        if self.conflicts:
            details.append(f"{self.conflicts:,} identifiers shared by several profiles")
        if self.note:
            details.append(self.note)
        if self.where:
            details.append(self.where)
        return f"{self.computation} → {self.destination}: " + "; ".join(details)
