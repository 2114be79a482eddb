"""Small line plots as SVG, written by hand: no more than a report needs."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

__all__ = ["Panel", "svg"]

#: Colours that are told apart without seeing colours (Okabe, Ito 2008).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#777777", "#cc79a7", "#e69f00", "#56b4e9")
_SIDE, _LEFT, _TOP, _GAP, _LEGEND = 260, 56, 34, 76, 18
_POINTS_MAX = 200

Line = Sequence[tuple[float, float]]


class Panel(NamedTuple):
    """One plot. Axes begin at 0 and end at `x_max` and 1; `diagonal`: what chance, or a perfect forecast, would draw."""

    title: str
    x_label: str
    y_label: str
    lines: Mapping[str, Line]
    x_max: float = 1.0
    diagonal: bool = True
    dots: bool = False


def svg(panels: Sequence[Panel]) -> str:
    """The panels side by side, on white, each with a legend below it."""
    width = _LEFT + len(panels) * (_SIDE + _GAP)
    height = _TOP + _SIDE + 52 + _LEGEND * max(len(panel.lines) for panel in panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12" fill="#222">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, _LEFT + number * (_SIDE + _GAP))
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, left: int) -> list[str]:
    bottom, middle = _TOP + _SIDE, left + _SIDE / 2
    parts = [
        f'<text x="{middle}" y="20" text-anchor="middle" font-size="14">{escape(panel.title)}</text>',
        f'<text x="{middle}" y="{bottom + 34}" text-anchor="middle">{escape(panel.x_label)}</text>',
        f'<text transform="translate({left - 38} {_TOP + _SIDE / 2}) rotate(-90)" text-anchor="middle">{escape(panel.y_label)}</text>',
    ]
    for step in range(5):
        share = step / 4
        x, y = left + share * _SIDE, bottom - share * _SIDE
        parts += [
            f'<path d="M{left} {y:g}h{_SIDE}M{x:g} {_TOP}v{_SIDE}" stroke="#e4e4e4"/>',
            f'<text x="{left - 6}" y="{y + 4:g}" text-anchor="end">{share:g}</text>',
            f'<text x="{x:g}" y="{bottom + 16}" text-anchor="middle">{share * panel.x_max:g}</text>',
        ]
    if panel.diagonal:
        parts.append(f'<path d="M{left} {bottom}L{left + _SIDE} {_TOP}" stroke="#999" stroke-dasharray="4 4"/>')
    for number, (name, line) in enumerate(panel.lines.items()):
        colour, y = _COLOURS[number % len(_COLOURS)], bottom + 44 + _LEGEND * (number + 0.5)
        places = [(left + x / panel.x_max * _SIDE, bottom - y * _SIDE) for x, y in _thinned(line)]
        parts.append(f'<path d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in places)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if panel.dots:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
        parts.append(f'<path d="M{left} {y:g}h22" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{left + 30}" y="{y + 4:g}">{escape(name)}</text>')
    return parts


def _thinned(line: Line) -> Line:
    """Every so-manieth point, and the last."""
    step = -(-len(line) // _POINTS_MAX)
    return [*line[:-1:step], line[-1]]
