"""The report's pictures: SVG with the colours of the page, light or dark."""

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from ...common.pages import percent
from ...common.svg import as_svg

INK, GRID, FIRST, SECOND = "#010203", "#040506", "#070809", "#0a0b0c"
CSS_COLORS = {
    INK: "currentColor",
    GRID: "var(--line)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud and found
    "font.size": 9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "text.parse_math": False,  # a label may have dollar signs
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}
WIDTH = 4.8  # inches; as wide as a phone, so that letters keep their size there
MOST_LABELS = 30


def labels_picture(names: Sequence[str], systems: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Draw F and its interval for each label and for all entities.

    Args:
        names: The labels.
        systems: The name of each pipeline, and its part of the report.
    """
    names = list(names[:MOST_LABELS])
    rows = ["all", *names]

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        for place, (system, part) in enumerate(systems):
            of_rows = [part["overall"], *(part["by_label"].get(name) for name in names)]
            shift = 0.16 * (2 * place - len(systems) + 1)
            points = [
                (row + shift, each["f"])
                for row, each in enumerate(of_rows)
                if each is not None and each["f"]["value"] is not None
            ]
            values = [[f[name] for _, f in points] for name in ("value", "low", "high")]
            color, heights = (FIRST, SECOND)[place], [height for height, _ in points]
            axis.hlines(heights, values[1], values[2], color=color, linewidth=2, alpha=0.5)
            axis.plot(values[0], heights, "o", color=color, markersize=5, label=system)
        axis.set_yticks(range(len(rows)), [_shortened(name) for name in rows])
        axis.set(ylim=(len(rows) - 0.5, -0.5), xlim=(-0.02, 1.02), xlabel="F with its 95% interval")

    best = ", ".join(
        f"{name} {_percent(systems[0][1]['by_label'][name]['f']['value'])}"
        for name in names
        if name in systems[0][1]["by_label"]
    )
    return _picture("labels", f"F of each label: {best}", draw, height=1.3 + 0.27 * len(rows))


def reliability_picture(systems: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Draw the share of right entities over the mean probability, by bins.

    Args:
        systems: The name of each pipeline, and the report's summary of its probabilities.
    """

    def draw(figure: Any) -> None:
        axis, below = figure.subplots(
            2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1], "hspace": 0.12}
        )
        axis.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)), alpha=0.6)
        for place, (system, part) in enumerate(systems):
            bins = part["reliability"]
            color = (FIRST, SECOND)[place]
            points = [[each[name] for each in bins] for name in ("score", "right")]
            axis.plot(*points, "o-", color=color, markersize=5, linewidth=1.5, label=system)
            shift = 0.022 * (2 * place - len(systems) + 1)
            below.bar(
                [0.05 + 0.1 * min(9, int(each["score"] * 10)) + shift for each in bins],
                [each["n"] for each in bins],
                width=0.08 / len(systems),
                color=color,
            )
        axis.set(ylabel="share of right entities", xlim=(0, 1), ylim=(0, 1.03))
        below.set(ylabel="entities", xlabel="probability")

    bins = ", ".join(
        f"{_percent(each['right'])} right of {each['n']} at {_percent(each['score'])}"
        for each in systems[0][1]["reliability"]
    )
    return _picture("reliability", f"Reliability diagram: {bins}", draw, height=4.4)


def threshold_picture(probabilities: dict[str, Any]) -> str:
    """Draw precision, recall and F over the threshold, and mark the best F.

    Args:
        probabilities: The report's summary of them.
    """
    points, best = probabilities["curve"], probabilities["best"]
    lowest = ", the lowest" if best["threshold"] == probabilities["lowest"] else ""

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        thresholds = [point["threshold"] for point in points]
        for name, color, dashes in (
            ("precision", FIRST, "-"),
            ("recall", SECOND, "-"),
            ("f", INK, (0, (4, 2))),
        ):
            label = "F" if name == "f" else name
            values = [point[name] for point in points]
            axis.plot(thresholds, values, color=color, linestyle=dashes, label=label)
        axis.plot([best["threshold"]], [best["f"]], "o", color=INK, markersize=7)
        axis.annotate(
            f"best F {_percent(best['f'])} at {best['threshold']:.2f}{lowest}",
            (best["threshold"], best["f"]),
            xytext=(0.5, 0.06),
            textcoords="axes fraction",
            ha="center",
            arrowprops={"arrowstyle": "-", "color": INK, "alpha": 0.5},
        )
        axis.set(xlim=(min(0.0, *thresholds), 1), ylim=(0, 1.03))
        axis.set_xlabel("threshold: minimum probability of an entity")

    title = (
        f"Precision and recall over the threshold: the best F is {_percent(best['f'])} at a "
        f"threshold of {best['threshold']:.2f}{lowest}"
    )
    return _picture("threshold", title, draw, height=3.7)


def _shortened(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:19]}…"


def _percent(value: float | None) -> str:
    return percent(value) if value is None else f"{percent(value)}%"


def _picture(name: str, title: str, draw: Callable[[Any], None], height: float) -> str:
    """Draw a figure, and make it part of a page.

    Args:
        name: Different for each picture of a page.
        title: What the picture shows, for people who can't see it.
        draw: Called with the figure.
        height: Of the figure, in inches.

    Returns:
        The `<svg>` element.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # With a salt, ids are the same each time, and different in each picture
    with rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure)
        lines = [line for axis in figure.axes for line in axis.get_legend_handles_labels()[0]]
        if len(lines) > 1:
            figure.legend(loc="outside upper center", ncols=3)
        text = as_svg(figure, CSS_COLORS)
    head, body = re.sub(r'<g id="[^"]*">', "<g>", text).split(">", 1)
    (view_box,) = re.findall(r'viewBox="[^"]*"', head)
    return (
        f'<svg {view_box} role="img" aria-labelledby="{name}-title" class="picture"'
        ' xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{name}-title">{escape(title)}</title>{body}'
    )
