"""Curves as SVG: a ROC with the false-accept rate on a logarithmic axis, as the paper draws it,
and figures over the steps of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

__all__ = ["roc_svg", "steps_svg"]

_WIDTH, _HEIGHT = 640, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 40, 56
_COLOURS = ("#3461c9", "#c2572b", "#2b8a5f", "#8a4fb0", "#a8842c", "#4a8fa8")

Rates = NDArray[np.float64]


def roc_svg(title: str, curves: Mapping[str, tuple[Rates, Rates]], *, least: float) -> str:
    """An SVG document of VAL over FAR for each named curve; FAR from `least` to 1.

    A curve is its false-accept and validation rates, (T,) each, rising.
    """
    decades = max(1, round(-math.log10(least)))

    def across(far: float) -> float:
        share = 1 + math.log10(max(far, least)) / decades
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    marks = {f"1e-{power}" if power else "1": across(10.0**-power) for power in range(decades + 1)}
    parts = _frame(title, marks, "false-accept rate (FAR)")
    parts.append(_text(16, _HEIGHT / 2, "validation rate (VAL)", turned=True))
    for place, (name, (far, val)) in enumerate(curves.items()):
        points = [(across(x), _down(y)) for x, y in _steps(far, val, least)]
        parts += _curve(name, points, place, len(curves))
    return _document(parts)


def steps_svg(title: str, curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> str:
    """An SVG document of figures from 0 to 1 over the steps of a training, (T,) each, rising."""
    last = max((steps[-1] for steps, _ in curves.values() if steps), default=1.0)

    def across(step: float) -> float:
        return _LEFT + step / last * (_WIDTH - _LEFT - _RIGHT)

    marks = {f"{last * part / 4:.0f}": across(last * part / 4) for part in range(5)}
    parts = _frame(title, marks, "steps")
    for place, (name, (steps, values)) in enumerate(curves.items()):
        points = [(across(x), _down(y)) for x, y in zip(steps, values, strict=True)]
        parts += _curve(name, points, place, len(curves))
    return _document(parts)


def _down(value: float) -> float:
    return _TOP + (1 - value) * (_HEIGHT - _TOP - _BOTTOM)


def _frame(title: str, marks: Mapping[str, float], below: str) -> list[str]:
    """The title, the lines with their numbers, and the name of the lower axis."""
    parts = [_text(_LEFT, 24, title, anchor="start", size=15)]
    for mark, x in marks.items():
        parts.append(_line(x, _down(0), x, _down(1)))
        parts.append(_text(x, _down(0) + 20, mark))
    for tenth in range(0, 11, 2):
        y = _down(tenth / 10)
        parts.append(_line(_LEFT, y, _WIDTH - _RIGHT, y))
        parts.append(_text(_LEFT - 8, y + 4, f"{tenth / 10:g}", anchor="end"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 14, below))
    return parts


def _curve(name: str, points: Sequence[tuple[float, float]], place: int, count: int) -> list[str]:
    colour = _COLOURS[place % len(_COLOURS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    y = _down(0) - 14 - 20 * (count - 1 - place)
    return [
        f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>',
        _text(_WIDTH - _RIGHT - 8, y, name, anchor="end", colour=colour),
    ]


def _document(parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-family="system-ui, sans-serif">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _steps(
    far: NDArray[np.float64], val: NDArray[np.float64], least: float
) -> list[tuple[float, float]]:
    """The corners of the curve, which is a staircase, from `least` on."""
    points: list[tuple[float, float]] = []
    for x, y in zip(np.maximum(far, least).tolist(), val.tolist(), strict=True):
        if points and points[-1][0] == x:
            points[-1] = (x, y)
        else:
            points += [(x, points[-1][1]), (x, y)] if points else [(x, y)]
    return points


def _line(x0: float, y0: float, x1: float, y1: float) -> str:
    return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="#ddd"/>'


def _text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "middle",
    size: int = 12,
    colour: str = "#333",
    turned: bool = False,
) -> str:
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
        f'text-anchor="{anchor}"{turn}>{escape(words)}</text>'
    )
