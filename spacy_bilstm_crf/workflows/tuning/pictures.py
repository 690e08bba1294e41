"""Pictures of a search, as SVG to put into a page.

Each is drawn twice, for a wide page and for a phone, so that the writing is as large in both. Its
colours are names of the page's, so that it is light or dark with it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...common.svg import as_svg
from .display import written
from .results import Result, best_of

WIDTHS = {"wide": 7.5, "narrow": 3.7}  # inches; a phone of 390 pixels has 3.7 of them for it
INK, GRID, ACCENT, FAINT, PAPER = "#010101", "#020202", "#030303", "#040404", "#050505"
COLORS = {
    INK: "var(--ink)",
    GRID: "var(--grid)",
    ACCENT: "var(--accent)",
    FAINT: "var(--faint)",
    PAPER: "var(--paper)",
}
FONT_SIZE = 9
MOST_NAME = 24
# Writing that lines run behind
_ON_LINES: dict[str, Any] = {
    "bbox": {"facecolor": PAPER, "edgecolor": "none", "pad": 1, "alpha": 0.8},
    "zorder": 4,
}


class Picture(NamedTuple):
    """A picture, in the widths that it is drawn in, and what it shows in words."""

    title: str
    text: str
    svgs: dict[str, str]


def pictures_of(
    results: Sequence[Result], importances: dict[str, float], names: Mapping[str, bool]
) -> list[Picture]:
    """All pictures of a search.

    Args:
        results: The finished trials, at least one of them complete.
        importances: The share of each parameter, the largest first. May be empty.
        names: The parameters' names, and whether each is on a log scale.
    """
    drawn = [_drawn("History", _history_text(results), lambda plot: _history(plot, results))]
    if importances:
        drawn.append(
            _drawn(
                "Importance of each parameter",
                _importance_text(importances),
                lambda plot: _importance(plot, importances),
            )
        )
    complete = [result for result in results if result.value is not None]
    drawn.append(
        _drawn(
            "Parallel coordinates",
            _parallel_text(complete),
            lambda plot: _parallel(plot, complete, names),
        )
    )
    return drawn


class _Plot:
    """A figure in one of the widths."""

    def __init__(self, width: float) -> None:
        from matplotlib.figure import Figure

        self.width = width
        self.figure = Figure(figsize=(width, 3.2), layout="constrained")
        self.axes: Any = self.figure.add_subplot()

    def svg(self) -> str:
        """It as text to put into HTML."""
        text = as_svg(self.figure, COLORS)
        text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
        return re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)


def _drawn(title: str, words: str, draw: Any) -> Picture:
    import matplotlib

    settings: dict[str, Any] = {
        "font.size": FONT_SIZE,
        "svg.fonttype": "none",  # writing stays writing, in the page's own font
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": GRID,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    svgs = {}
    for name, width in WIDTHS.items():
        # Ids in one page must differ
        salted: Any = {**settings, "svg.hashsalt": f"{title} {name}"}
        with matplotlib.rc_context(salted):
            plot = _Plot(width)
            draw(plot)
            svgs[name] = _with_own_ids(plot.svg(), f"{title[:2].lower()}-{name}-")
    return Picture(title, words, svgs)


def _with_own_ids(svg: str, prefix: str) -> str:
    svg = re.sub(r'id="', f'id="{prefix}', svg)
    svg = re.sub(r'href="#', f'href="#{prefix}', svg)
    return re.sub(r"url\(#", f"url(#{prefix}", svg)


def _history(plot: _Plot, results: Sequence[Result]) -> None:
    axes = plot.axes
    complete = [result for result in results if result.value is not None]
    axes.plot(
        [result.number for result in complete],
        [100 * (result.value or 0.0) for result in complete],
        "o",
        color=ACCENT,
        markersize=5,
        label="complete",
    )
    best, steps = 0.0, []
    for result in complete:
        best = max(best, 100 * (result.value or 0.0))
        steps.append((result.number, best))
    steps.append((results[-1].number, best))
    axes.step(*zip(*steps), where="post", color=INK, linewidth=1, label="best so far")
    pruned = [r for r in results if r.state == "pruned" and r.evaluations]
    if pruned:
        values = [100 * max(result.evaluations.values()) for result in pruned]
        axes.plot(
            [result.number for result in pruned],
            values,
            "x",
            color=FAINT,
            markersize=5,
            label="pruned, best until then",
        )
    failed = [result.number for result in results if result.state == "failed"]
    if failed:
        low = axes.get_ylim()[0]
        axes.plot(failed, [low] * len(failed), "v", color=FAINT, markersize=5, label="failed")
    axes.set_xlabel("trial")
    axes.set_ylabel("score on dev, percent")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color=GRID, linewidth=0.5)
    axes.legend(
        frameon=False,
        fontsize=FONT_SIZE - 1,
        loc="upper center",
        ncols=2,
        bbox_to_anchor=(0.5, 1.25),
    )


def _history_text(results: Sequence[Result]) -> str:
    best = best_of(results)
    n_of = {state: sum(r.state == state for r in results) for state in ("pruned", "failed")}
    if best is None:
        return ""
    first = next(result for result in results if result.value is not None)
    return (
        f"The score of each of {len(results)} trials on the development data, and the best so far. "
        f"Trial {first.number} has {100 * (first.value or 0.0):.2f}, and the best, trial "
        f"{best.number}, {100 * (best.value or 0.0):.2f}. "
        f"{n_of['pruned']} were pruned, {n_of['failed']} failed."
    )


def _importance(plot: _Plot, importances: dict[str, float]) -> None:
    names = list(importances)[::-1]
    plot.figure.set_size_inches(plot.width, 0.8 + 0.27 * len(names))
    shares = [100 * importances[name] for name in names]
    bars = plot.axes.barh([_short(name) for name in names], shares, color=ACCENT, height=0.6)
    plot.axes.bar_label(bars, fmt="%.0f", padding=3)
    plot.axes.set_xlabel("share of the importance, percent")
    plot.axes.margins(x=0.12)


def _importance_text(importances: dict[str, float]) -> str:
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in importances.items())
    return f"How much of what separates good trials from others is due to each parameter: {shares}."


def _parallel(plot: _Plot, complete: Sequence[Result], names: Mapping[str, bool]) -> None:
    """An axis for each parameter, one below the other, and a line through them for each trial."""
    axes = plot.axes
    there = [name for name in names if any(name in result.params for result in complete)]
    plot.figure.set_size_inches(plot.width, 0.6 + 0.62 * (len(there) + 1))
    is_wide = plot.width == WIDTHS["wide"]
    rows = [*there, None]
    scales = [_Scale(complete, name, names.get(name or "", False)) for name in rows]
    best = best_of(complete)
    for row, (name, scale) in enumerate(zip(rows, scales)):
        axes.plot([0, 1], [row, row], color=GRID, linewidth=1, zorder=1)
        for place, label in scale.labels:
            side = "left" if place == 0 else "right" if place == 1 else "center"
            axes.text(
                *(place, row + 0.1, label), ha=side, va="top", fontsize=FONT_SIZE - 1, **_ON_LINES
            )
        title = "score on dev" if name is None else _short(name)
        if is_wide:
            axes.text(-0.03, row, title, ha="right", va="center", fontweight="bold")
        else:
            axes.text(0, row - 0.1, title, ha="left", va="bottom", fontweight="bold", **_ON_LINES)
    for result in sorted(complete, key=lambda result: result.value or 0.0):
        is_best = best is not None and result.number == best.number
        points = [(scale.place(result), row) for row, scale in enumerate(scales)]
        shown = [(place, row) for place, row in points if place is not None]
        axes.plot(
            *zip(*shown),
            color=ACCENT if is_best else FAINT,
            marker="o",
            markersize=4 if is_best else 2.5,
            linewidth=2 if is_best else 0.8,
            alpha=1 if is_best else 0.6,
            zorder=3 if is_best else 2,
        )
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.set_axis_off()


class _Scale:
    """Where the values of a parameter, or without a name of the trials, are on their axis."""

    def __init__(self, complete: Sequence[Result], name: str | None, log: bool) -> None:
        self._name, self._log = name, log
        values = [self._value(result) for result in complete]
        found = [value for value in values if value is not None]
        self._places: dict[Any, float] = {}
        self._low = self._high = 0.0
        if any(isinstance(value, (str, bool)) or value is None for value in found):
            kinds = sorted(set(found), key=str)
            self._places = {v: i / max(1, len(kinds) - 1) for i, v in enumerate(kinds)}
            self.labels = [(place, str(value)) for value, place in self._places.items()]
            return
        self._low, self._high = min(found), max(found)
        ends = [(0, self._low), (1, self._high)][: 1 + (self._high > self._low)]
        self.labels = [(place, _number(value, name)) for place, value in ends]

    def _value(self, result: Result) -> Any:
        if self._name is None:
            return 100 * (result.value or 0.0)
        return result.params.get(self._name)

    def place(self, result: Result) -> float | None:
        """From 0 to 1. None if the trial lacks the parameter."""
        value = self._value(result)
        if value is None or (self._name is not None and self._name not in result.params):
            return None
        if self._places:
            return self._places[value]
        if self._high == self._low:
            return 0.0
        low, high = self._low, self._high
        if self._log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return float((value - low) / (high - low))


def _number(value: float, name: str | None) -> str:
    return f"{value:.2f}" if name is None else written(value)


def _parallel_text(complete: Sequence[Result]) -> str:
    best = best_of(complete)
    if best is None:
        return ""
    params = ", ".join(f"{name} {written(value)}" for name, value in best.params.items())
    return (
        f"A line for each of {len(complete)} complete trials through the values of its parameters "
        f"to its score. The best is trial {best.number}: {params}."
    )


def _short(name: str) -> str:
    return name if len(name) <= MOST_NAME else name[: MOST_NAME - 1] + "…"
