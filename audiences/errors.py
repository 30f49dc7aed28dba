"""Every error this package raises on purpose.

    AudiencesError                 what went wrong, where, and the nearest right thing
    ├── DefinitionError            a definition, a space file or a command is wrong        (exit code 2)
    │   └── NotYetError            a construct that is in the language but not built yet   (exit code 2)
    ├── InputError                 the Parquet inputs can't be read or are not as declared (exit code 1)
    ├── StateError                 the state location can't be read or written             (exit code 1)
    └── DeliveryError              a destination can't be written                          (exit code 1)

A ``DefinitionError`` may carry several problems: all mistakes are reported at once, each with its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file. Lines and columns count from 1; 0 means that the part is not known."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [self.file or "<definition>"]
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is, what is wrong, what was probably meant, and an excerpt with an underline."""

    where: Location
    what: str
    hint: str = ""
    excerpt: str = ""
    key: str = ""  # the computation it belongs to, where there is one
    not_yet: bool = False
    length: int = field(default=0, compare=False)  # characters that are wrong, from ``where`` on; 0: not known

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}"
        if self.hint:
            text += f" ({self.hint})"
        if self.excerpt:
            text += "\n" + self.excerpt
        return text


class AudiencesError(Exception):
    """The base of all errors of this package. ``exit_code`` is what the command line ends with."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} ({self.hint})" if self.hint else text


class DefinitionError(AudiencesError):
    """One or more mistakes in definitions, settings or arguments. ``problems`` has them all, in file order."""

    exit_code = 2

    def __init__(self, what: str = "", *, where: str = "", hint: str = "", problems: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__(what, where=where, hint=hint)

    def __str__(self) -> str:
        if not self.problems:
            return super().__str__()
        return "\n".join(str(problem) for problem in self.problems)


class NotYetError(DefinitionError):
    """The language has it, this version doesn't compute it. The message names the construct."""


class InputError(AudiencesError):
    """The inputs can't be read: missing, truncated, not Parquet, or without a column that is required."""


class StateError(AudiencesError):
    """The state location can't be read or written, or was written by a newer version."""


class DeliveryError(AudiencesError):
    """A destination can't be written to, or a first sync was not confirmed."""
