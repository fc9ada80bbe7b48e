"""The geometry of a picture: numbers in, polylines and ticks out. The template draws them as inline SVG."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ppo_audit.findings import REFERENCE, Curve
from ppo_audit.reports._text import number, one_line

WIDTH, HEIGHT = 460, 290
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 12, 44
TICKS = 5
TABLE_ROWS = 13
COLOURS = 4
"""Series colours that the style sheet knows; a reference has the colour of the series before it."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One series: its pieces between gaps, as SVG points, and the colour it is drawn in."""

    label: str
    pieces: tuple[str, ...]
    colour: int
    is_reference: bool


@dataclass(frozen=True)
class Tick:
    """A position along an axis and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Picture:
    """All that the template needs to draw a curve, and the numbers in words for those who cannot see it."""

    curve: Curve
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    description: str


def picture(curve: Curve) -> Picture:
    """Lay out a curve in the fixed frame."""
    xs = _interval(curve.x)
    ys = _padded(_interval([y for series in curve.series.values() for y in series]))
    lines = tuple(
        _line(curve, name, colour, xs, ys) for name, colour in zip(curve.series, _colours(curve), strict=True)
    )
    step = max(1, math.ceil(len(curve.x) / TABLE_ROWS))
    columns = (curve.x, *curve.series.values())
    return Picture(
        curve,
        lines,
        tuple(Tick(_across(value, xs), _label(value, xs)) for value in _ticks(xs)),
        tuple(Tick(_down(value, ys), _label(value, ys)) for value in _ticks(ys)),
        (one_line(curve.x_label), *map(one_line, curve.series)),
        tuple(tuple(map(number, row)) for row in itertools.islice(zip(*columns, strict=True), 0, None, step)),
        f"{one_line(curve.y_label)} against {one_line(curve.x_label)}: {', '.join(map(one_line, curve.series))}",
    )


def _colours(curve: Curve) -> list[int]:
    """One colour a measured series; references beside a single one get colours of their own."""
    measured = sum(not name.startswith(REFERENCE) for name in curve.series)
    colour, colours = -1, []
    for name in curve.series:
        colour += measured <= 1 or not name.startswith(REFERENCE)
        colours.append(max(colour, 0) % COLOURS)
    return colours


def _line(curve: Curve, name: str, colour: int, xs: Interval, ys: Interval) -> Line:
    points = list(zip(curve.x, curve.series[name], strict=True))
    pieces = [list(piece) for finite, piece in itertools.groupby(points, _is_finite) if finite]
    drawn = tuple(" ".join(f"{_across(x, xs):.1f},{_down(y, ys):.1f}" for x, y in piece) for piece in pieces)
    return Line(one_line(name), drawn, colour, name.startswith(REFERENCE))


def _is_finite(point: tuple[float, float]) -> bool:
    return math.isfinite(point[0]) and math.isfinite(point[1])


def _interval(values: Sequence[float]) -> Interval:
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def _padded(interval: Interval) -> Interval:
    low, high = interval
    return low - 0.04 * (high - low), high + 0.04 * (high - low)


def _across(x: float, xs: Interval) -> float:
    return LEFT + (x - xs[0]) / (xs[1] - xs[0]) * (WIDTH - LEFT - RIGHT)


def _down(y: float, ys: Interval) -> float:
    return HEIGHT - BOTTOM - (y - ys[0]) / (ys[1] - ys[0]) * (HEIGHT - TOP - BOTTOM)


def _ticks(interval: Interval) -> list[float]:
    """Round values in the interval: multiples of 1, 2 or 5 times a power of ten."""
    step = _step(interval)
    first, last = math.ceil(interval[0] / step), math.floor(interval[1] / step)
    return [index * step for index in range(first, last + 1)]


def _step(interval: Interval) -> float:
    rough = (interval[1] - interval[0]) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def _label(value: float, interval: Interval) -> str:
    # A multiple of 0.1 is not exactly one: the digits of the step are enough.
    digits = max(0, -math.floor(math.log10(_step(interval))))
    return number(round(value, digits) + 0.0)
