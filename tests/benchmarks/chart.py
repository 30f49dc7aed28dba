"""A bar chart as SVG, written by hand: a bar per step, and how it compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 880
LABELS: Final = 330
ROW: Final = 34
BAR: Final = 20
TOP: Final = 64
BOTTOM: Final = 20
VALUES: Final = 130
"""Room to the right of the longest bar, for its number."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; ``ours`` ones stand out."""

    label: str
    seconds: float
    peak_bytes: int
    ours: bool = False


def svg(title: str, subtitle: str, bars: Sequence[Bar]) -> str:
    """The chart; it has its own colours for light and dark pages."""
    height = TOP + ROW * len(bars) + BOTTOM
    longest = max(bar.seconds for bar in bars)
    scale = (WIDTH - LABELS - VALUES) / longest
    rows = "\n".join(_row(bar, TOP + ROW * place, scale) for place, bar in enumerate(bars))
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img"
     aria-label="{escape(title)}" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif">
<style>
  text {{ fill: #1f2328; font-size: 14px }}
  .quiet {{ fill: #59636e; font-size: 12px }}
  .title {{ font-size: 16px; font-weight: 600 }}
  .bar {{ fill: #b7bfc8 }}
  .ours {{ fill: #2f6f4f }}
  @media (prefers-color-scheme: dark) {{
    text {{ fill: #e6edf3 }} .quiet {{ fill: #9198a1 }} .bar {{ fill: #545d68 }} .ours {{ fill: #57ab7e }}
  }}
</style>
<text class="title" x="0" y="20">{escape(title)}</text>
<text class="quiet" x="0" y="42">{escape(subtitle)}</text>
{rows}
</svg>
"""


def _row(bar: Bar, top: float, scale: float) -> str:
    length = max(bar.seconds * scale, 2)
    middle = top + BAR / 2 + 5
    kind = "bar ours" if bar.ours else "bar"
    return (
        f'<text x="{LABELS - 12}" y="{middle:g}" text-anchor="end">{escape(bar.label)}</text>'
        f'<rect class="{kind}" x="{LABELS}" y="{top:g}" width="{length:.1f}" height="{BAR}" rx="2"/>'
        f'<text x="{LABELS + length + 8:.1f}" y="{middle:g}">{_amount(bar.seconds)} s'
        f'<tspan class="quiet" dx="8">{bar.peak_bytes / 1024**3:.2f} GB</tspan></text>'
    )


def _amount(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2f}"
