from __future__ import annotations

import pytest

from dagster_project.metadata import hide_personal


@pytest.mark.parametrize(
    ("identifier", "shown"),
    [
        ("p1", "p1"),
        ("user_id:17850", "user_id:17850"),
        ("user_id:ann@example.com", "user_id:(hidden)"),
        ("ann.o'neil+x@example.co.uk", "(hidden)"),
        ("user_id:+33 6 12 34 56 78", "user_id:(hidden)"),
        ("anonymous_id:8d3e-44", "anonymous_id:8d3e-44"),
    ],
)
def test_addresses_and_telephone_numbers_are_hidden(identifier: str, shown: str) -> None:
    assert hide_personal(identifier) == shown
