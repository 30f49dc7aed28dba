"""A command in a process of its own: how long it took, how much of the processors, and the most memory it had."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[1]
SHOWN_OF_LOG: Final = 2_000


@dataclass(frozen=True, slots=True)
class Measured:
    """One command: ``seconds`` by the clock and ``cpu_seconds`` of all cores, start of the program included;
    ``peak_bytes``: the most resident memory at one time. ``output`` is what it printed.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    output: str
    exit_code: int = 0


class CommandFailed(Exception):  # noqa: N818 - what happened, in words
    """A command ended with an exit code that says it failed."""


def measured(command: Sequence[str | Path], log: Path, *, may_fail: bool = False) -> Measured:
    """Runs this Python with ``command`` as its arguments; what it prints goes to ``log``.

    This process should be small: the system counts the memory of a process from the moment it is split off from this
    one, when both are the same.

    Raises:
        CommandFailed: the exit code isn't 0, and not ``may_fail``.
    """
    paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    # What runs doesn't depend on the folder that this is started in.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output, log.with_suffix(".errors.txt").open("wb") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            stdout=output,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and not may_fail:
        said = log.with_suffix(".errors.txt").read_text(encoding="utf-8", errors="replace") or log.read_text()
        raise CommandFailed(f"{' '.join(map(str, command[:4]))} … failed:\n{said[-SHOWN_OF_LOG:]}")
    return Measured(
        seconds=seconds,
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_bytes=used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        output=log.read_text(encoding="utf-8", errors="replace"),
        exit_code=process.returncode,
    )
