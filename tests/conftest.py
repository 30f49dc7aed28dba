"""Options of the whole test suite."""

from __future__ import annotations

import os

import polars as pl
import pytest
from hypothesis import settings

# `make test` gives each of its workers one thread. What these start has as many threads as it has elsewhere: the number
# is read when the first is needed.
pl.thread_pool_size()
os.environ.pop("POLARS_MAX_THREADS", None)

# ci: the same examples each time. long: new ones each time, and many more (see examples.py); a failure prints how to
# get it again, and is tried first in the next run.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("long", derandomize=False, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--refresh",
        action="store_true",
        help="write what is printed now into golden files instead of comparing; read the difference before you keep it",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: several workers take whole files, and none should be left alone with a long one."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
