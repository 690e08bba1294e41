"""The page of a search, with Optuna's pictures of it."""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ...common.pages import render
from ...common.svg import as_svg
from .results import TrialResult, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from optuna import Study

LEAST_TRIALS = 10  # fewer say nothing of the importance of a parameter
# Each picture is drawn twice, so that its writing is as large on a phone as on a wide page
WIDTHS = {"wide": 7.5, "narrow": 3.7}  # inches
SCORE = "score on dev"
# What stands in CSS for the colours of Optuna's pictures. The page sets that of writing.
PLOT_COLORS = {
    "#e5e5e5": "none",  # behind the axes
    **dict.fromkeys(("#ffffff", "#000000", "#555555"), "var(--line)"),
    **dict.fromkeys(("#1f77b4", "#3182bd"), "var(--first)"),  # points, bars
    "#d62728": "var(--second)",  # the best so far
}


def search_page(
    study: "Study", results: Sequence[TrialResult], best: TrialResult, given: Mapping[str, Any]
) -> str:
    """Return the HTML page of a search, from its finished trials. It needs nothing from elsewhere.

    The page compares the best parameters with those of the config as it was given.
    """
    return render(
        __package__,
        "page.html.jinja",
        results=results,
        best=best,
        given=given,
        states=Counter(result.state for result in results),
        hours=sum(result.seconds or 0.0 for result in results) / 3600,
        pictures=list(_pictures(study, results, best)),
        short=short,
    )


def _pictures(
    study: "Study", results: Sequence[TrialResult], best: TrialResult
) -> Iterator[dict[str, Any]]:
    """Pictures in each of the widths, and what they show in words."""
    from optuna.visualization import matplotlib as plots

    complete = [result for result in results if result.value is not None]
    yield _picture(
        "History",
        f"The score of each of {len(complete)} complete trials on the development data, and the "
        f"best so far. Trial {complete[0].number} has {complete[0].score}, and the best, trial "
        f"{best.number}, {best.score}.",
        lambda: plots.plot_optimization_history(study, target_name=SCORE),
    )
    importances = _importances(study) if len(complete) >= LEAST_TRIALS else {}
    if importances:
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in importances.items())
        yield _picture(
            "Importance of each parameter",
            f"How much of what separates good trials from others is due to each parameter: "
            f"{shares}.",
            lambda: plots.plot_param_importances(study),
        )
    params = ", ".join(f"{name} {short(value)}" for name, value in best.params.items())
    yield _picture(
        "Parallel coordinates",
        f"A line for each of {len(complete)} complete trials from its score through the values of "
        f"its parameters. The best is trial {best.number}: {params}.",
        lambda: plots.plot_parallel_coordinate(study, target_name=SCORE),
    )


def _importances(study: "Study") -> dict[str, float]:
    """The share of each parameter, by PED-ANOVA (Watanabe et al. 2023). Empty if it has none."""
    import optuna

    try:
        found = optuna.importance.get_param_importances(study)
    except (ValueError, RuntimeError):  # how Optuna says that there is nothing to compare
        return {}
    return found if all(share == share for share in found.values()) else {}


def _picture(title: str, text: str, plot: Callable[[], Any]) -> dict[str, Any]:
    import matplotlib
    from matplotlib import pyplot

    svgs = {}
    for name, width in WIDTHS.items():
        settings: dict[Any, Any] = {
            "figure.figsize": (width, 3.4),
            "savefig.bbox": "tight",
            "text.parse_math": False,  # a parameter may have dollar signs
            "svg.fonttype": "none",  # writing stays writing, in the page's own font
            "svg.hashsalt": f"{title} {name}",
        }
        with ExitStack() as stack:
            stack.callback(pyplot.switch_backend, pyplot.get_backend())
            pyplot.switch_backend("agg")  # without a screen
            stack.enter_context(matplotlib.rc_context(settings))
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            figure = _simplified(plot().figure)
            head, rest = as_svg(figure, PLOT_COLORS).split(">", 1)
            pyplot.close(figure)
        head = re.sub(r' (width|height)="[^"]*"', "", head)
        own = rf"\1{title[:2].lower()}-{name}-"  # ids in one page must differ
        svgs[name] = re.sub(r'(id="|href="#|url\(#)', own, f"{head}>{rest}")
    return {"title": title, "text": text, "svgs": svgs}


def _simplified(figure: "Figure") -> "Figure":
    """The figure without what the page says: its titles, legends and the scale of colours."""
    from matplotlib.ticker import LogFormatter

    for axes in figure.axes:
        axes.set(title="")
        axes.set_title("", loc="left")
        axes.set_visible(axes.get_label() != "<colorbar>")
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log":  # whose ticks are mathematics by default
                axis.set_major_formatter(LogFormatter())
                axis.set_minor_formatter(LogFormatter(labelOnlyBase=False))
        if legend := axes.get_legend():
            legend.remove()
        for lines in axes.collections:
            if lines.get_array() is not None:
                lines.set(array=None, color="#1f77b4", alpha=0.6)
    return figure
