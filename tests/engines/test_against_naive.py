"""The engine gives exactly what an evaluator in plain Python gives, on whatever Hypothesis thinks of."""

from __future__ import annotations

import pytest
from hypothesis import given

from engine_agreement import agrees
from examples import PARTS, examples
from strategies import World, worlds


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
@examples(0.25)
@given(worlds())
def test_the_engine_agrees_with_plain_python(part: int, world: World) -> None:
    agrees(world)
