"""A chart as plain pixels, for what every trial of a sweep draws: five times faster than a plot."""

from collections.abc import Mapping, Sequence
from math import cos, hypot, log10, pi, sin
from typing import final

from PIL import Image, ImageDraw

from src.figures.canvas import write, write_upwards
from src.figures.style import GRID, MUTED

ZOOM = 3
"""Marks are drawn so many times as large and then reduced, which makes their edges smooth."""
SPARE = 9
"""Pixels around the chart's box, for marks on its edge."""
TICK_SIZE, LABEL_SIZE, TITLE_SIZE = 11, 12, 14
DASH, SPACE = 5, 3


@final
class Chart:
    """One chart: axes with their ticks, then marks in data coordinates, then onto a page.

    box: left, top, right, bottom on the page in pixels. limits: lowest and highest value. ticks:
    position to words. log_y: a logarithmic y axis, whose limits must be above 0.
    """

    def __init__(
        self,
        box: tuple[int, int, int, int],
        *,
        x_limits: tuple[float, float],
        y_limits: tuple[float, float],
        x_ticks: Mapping[float, str],
        y_ticks: Mapping[float, str],
        log_y: bool = False,
    ) -> None:
        self._box = box
        self._width, self._height = box[2] - box[0], box[3] - box[1]
        self._x_limits, self._y_limits, self._log_y = x_limits, y_limits, log_y
        self._x_ticks, self._y_ticks = x_ticks, y_ticks
        size = ((self._width + 2 * SPARE) * ZOOM, (self._height + 2 * SPARE) * ZOOM)
        self._image = Image.new("RGB", size, "white")
        self._pen = ImageDraw.Draw(self._image)
        for tick in y_ticks:
            self._rule((x_limits[0], tick), (x_limits[1], tick), colour=GRID)

    def line(self, xs: Sequence[float], ys: Sequence[float], *, colour: str) -> None:
        """Draw a line through points."""
        points = [self._at(x, y) for x, y in zip(xs, ys, strict=True)]
        self._pen.line(points, fill=colour, width=2 * ZOOM, joint="curve")

    def dashes(self, start: tuple[float, float], end: tuple[float, float], *, colour: str) -> None:
        """Draw a thin dashed line."""
        (x0, y0), (x1, y1) = self._at(*start), self._at(*end)
        step = (DASH + SPACE) * ZOOM / max(1.0, hypot(x1 - x0, y1 - y0))
        for number in range(int(1 / step) + 1):
            near, far = number * step, min(1.0, number * step + step * DASH / (DASH + SPACE))
            ends = [(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share) for share in (near, far)]
            if x0 == x1:
                self._upright(x0, ends[0][1], ends[1][1], colour=colour)
            else:
                self._pen.line(ends, fill=colour, width=ZOOM)

    def upright(self, x: float, low: float, high: float, *, colour: str) -> None:
        """Draw a thin vertical line from low to high."""
        self._upright(self._at(x, low)[0], self._at(x, low)[1], self._at(x, high)[1], colour=colour)

    def dots(self, xs: Sequence[float], ys: Sequence[float], *, colour: str, radius: float) -> None:
        """Draw a dot of a radius in pixels at each point."""
        for x, y in zip(xs, ys, strict=True):
            self._pen.circle(self._at(x, y), radius * ZOOM, fill=colour)

    def star(self, x: float, y: float, *, colour: str, radius: float = 8.5) -> None:
        """Draw a five-pointed star."""
        middle_x, middle_y = self._at(x, y)
        corners = []
        for corner in range(10):
            far = radius * ZOOM * (1 if corner % 2 == 0 else 0.4)
            turn = corner * pi / 5
            corners.append((middle_x + far * sin(turn), middle_y - far * cos(turn)))
        self._pen.polygon(corners, fill=colour)

    def bar(self, left: float, right: float, top: float, *, colour: str) -> None:
        """Draw a bar that stands on the x axis, with a thin white edge."""
        x0, y0 = self._at(left, top)
        x1, y1 = self._at(right, self._y_limits[0])
        if y1 > y0:
            box = (round(x0), round(y0), round(x1), round(y1))
            self._pen.rectangle(box, fill=colour, outline="white", width=ZOOM // 2)

    def put_on(self, page: Image.Image, *, title: str, x_label: str, y_label: str) -> None:
        """Put the chart on its page and write its words."""
        left, top, right, bottom = self._box
        page.paste(self._image.reduce(ZOOM), (left - SPARE, top - SPARE))
        pen = ImageDraw.Draw(page)
        pen.line((left, top, left, bottom, right, bottom), fill=MUTED)
        for x, words in self._x_ticks.items():
            middle = left - SPARE + self._at(x, self._y_limits[0])[0] / ZOOM
            write(pen, (middle, bottom + 5), words, size=TICK_SIZE, anchor="ma")
        for y, words in self._y_ticks.items():
            middle = top - SPARE + self._at(self._x_limits[0], y)[1] / ZOOM
            write(pen, (left - 6, middle), words, size=TICK_SIZE, anchor="rm")
        write(pen, (left, top - 7), title, size=TITLE_SIZE, anchor="ld")
        write(pen, ((left + right) / 2, bottom + 24), x_label, size=LABEL_SIZE, anchor="ma")
        at_label = (left - 54, (top + bottom) // 2)
        write_upwards(page, at_label, y_label, size=LABEL_SIZE, anchor="middle")

    def _at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place of a point on the enlarged image."""
        (x0, x1), (y0, y1) = self._x_limits, self._y_limits
        if self._log_y:
            y, y0, y1 = log10(y), log10(y0), log10(y1)
        across, up = (x - x0) / (x1 - x0), (y - y0) / (y1 - y0)
        return (
            (SPARE + across * self._width) * ZOOM,
            (SPARE + (1 - up) * self._height) * ZOOM,
        )

    def _rule(self, start: tuple[float, float], end: tuple[float, float], *, colour: str) -> None:
        """Draw a horizontal line exactly one pixel of the page high."""
        (x0, y), (x1, _) = self._at(*start), self._at(*end)
        top = int(y // ZOOM) * ZOOM
        self._pen.rectangle((x0, top, x1, top + ZOOM - 1), fill=colour)

    def _upright(self, x: float, y0: float, y1: float, *, colour: str) -> None:
        """Draw a vertical line exactly one pixel of the page wide."""
        left = int(x // ZOOM) * ZOOM
        box = (left, min(y0, y1), left + ZOOM - 1, max(y0, y1))
        self._pen.rectangle(box, fill=colour)
