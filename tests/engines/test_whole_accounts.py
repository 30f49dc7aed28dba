"""Whole definitions of users and accounts over whole files give exactly what an evaluator in plain Python gives."""

from __future__ import annotations

import pytest
from hypothesis import given

from examples import PARTS, World, agrees, examples, worlds


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
@examples(0.375)
@given(worlds(accounts_too=True))
def test_users_and_accounts_agree_with_plain_python(part: int, world: World) -> None:
    agrees(world)
