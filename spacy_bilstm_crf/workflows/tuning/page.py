"""The page of a search."""

import warnings
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from .display import differing, written
from .pictures import Picture, pictures_of
from .results import Result

if TYPE_CHECKING:
    from optuna import Study

LEAST_TRIALS = 10  # fewer say nothing of the importance of a parameter
STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --grid: #c9d1d9;
  --accent: #00796b; --faint: #6e7781; --row: #f3f5f7; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e6e9ed; --grid: #444c56;
  --accent: #4db6ac; --faint: #9aa4af; --row: #1f252c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
figure { margin: 0; } figcaption { color: var(--faint); font-size: .9rem; }
svg { width: 100%; height: auto; display: block; }
svg text { font-family: system-ui, sans-serif !important; }
.wide svg { max-width: 45rem; } .narrow { display: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: left; vertical-align: top; }
.trials td:last-child { min-width: 24rem; }
th { border-bottom: 1px solid var(--grid); } tbody tr:nth-child(even) { background: var(--row); }
td.number, th.number { text-align: right; } tr.best td { font-weight: 600; color: var(--accent); }
@media (max-width: 40rem) { .wide { display: none; } .narrow { display: block; } }
"""


def page_of(
    study: "Study",
    results: Sequence[Result],
    best: Result,
    names: Mapping[str, bool],
    of_config: Mapping[str, Any],
) -> str:
    """The HTML of a search. It needs nothing from elsewhere.

    Args:
        study: The search, for the importance of its parameters.
        results: The finished trials.
        best: The best of them.
        names: The parameters' names, and whether each is on a log scale.
        of_config: The parameters of the config as it was given.
    """
    n_complete = sum(result.value is not None for result in results)
    importances = importances_of(study) if n_complete >= LEAST_TRIALS else {}
    pictures = pictures_of(results, importances, names)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Search: {100 * (best.value or 0.0):.2f} on dev</title>",
        f"<style>{STYLE}</style></head><body><main>",
        "<h1>Search for the settings of a training</h1>",
        f"<p>{escape(_summary(results, best))}</p>",
        "<h2>The best parameters</h2>",
        _best_table(best, of_config),
        *map(_figure, pictures),
        "<h2>Trials</h2>",
        _trials_table(results, best, of_config),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def importances_of(study: "Study") -> dict[str, float]:
    """The share of each parameter, by PED-ANOVA (Watanabe et al. 2023). Empty if too few."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = optuna.importance.get_param_importances(study)
        except (ValueError, RuntimeError):  # how Optuna says that there is nothing to compare
            return {}
    return {name: share for name, share in found.items() if share == share}


def _summary(results: Sequence[Result], best: Result) -> str:
    n_of: dict[str, int] = {}
    for result in results:
        n_of[result.state] = n_of.get(result.state, 0) + 1
    states = ", ".join(f"{n} {state}" for state, n in n_of.items())
    hours = sum(result.seconds or 0.0 for result in results) / 3600
    return (
        f"{len(results)} trials ({states}) in {hours:.2f} hours of training. The best is trial "
        f"{best.number}, with {100 * (best.value or 0.0):.2f} on the development data."
    )


def _figure(picture: Picture) -> str:
    words = escape(picture.text)
    drawn = "".join(
        f'<div class="{name}" role="img" aria-label="{words}">{svg}</div>'
        for name, svg in picture.svgs.items()
    )
    return (
        f"<h2>{escape(picture.title)}</h2><figure>{drawn}<figcaption>{words}</figcaption></figure>"
    )


def _table(kind: str, head: Sequence[str], rows: Sequence[str], numbers: Sequence[str]) -> str:
    cells = "".join(
        f'<th class="number">{name}</th>' if name in numbers else f"<th>{name}</th>"
        for name in head
    )
    return (
        f'<div class="scroll {kind}" tabindex="0"><table><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _best_table(best: Result, of_config: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><td>{escape(name)}</td><td>{escape(written(value))}</td>"
        f"<td>{escape(written(of_config[name])) if name in of_config else ''}</td></tr>"
        for name, value in best.params.items()
    ]
    return _table("parameters", ["parameter", "best", "config as given"], rows, [])


def _trials_table(results: Sequence[Result], best: Result, of_config: Mapping[str, Any]) -> str:
    rows: list[str] = []
    for result in results:
        value = result.state if result.value is None else f"{100 * result.value:.2f}"
        seconds = "" if result.seconds is None else f"{result.seconds:.0f}"
        rest = differing(result.params, of_config)
        if result.reason:
            rest = f"{rest}: {result.reason}"
        kind = ' class="best"' if result.number == best.number else ""
        rows.append(
            f'<tr{kind}><td class="number">{result.number}</td><td class="number">{value}</td>'
            f'<td class="number">{seconds}</td><td>{escape(rest)}</td></tr>'
        )
    numbers = ["trial", "score", "seconds"]
    return _table("trials", [*numbers, "parameters that differ from the config"], rows, numbers)
