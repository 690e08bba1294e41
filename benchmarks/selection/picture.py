"""Draw the learning curves: docs/assets/selection.svg.

    python -m benchmarks.selection.picture

F of the test part by the share of sentences that are annotated, and by the words that they have:
doubtful sentences are long ones. Each point is the mean over the seeds.
"""

import json
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt

from benchmarks.selection.run import DATASETS, RESULTS
from benchmarks.trainings import ROOT

OUTPUT = ROOT / "docs" / "assets" / "selection.svg"
# Told apart without colours too
LINES = {
    "random": {"color": "#6b7280", "linestyle": "--", "marker": "o"},
    "entropy": {"color": "#00796b", "linestyle": "-", "marker": "s"},
    "margin": {"color": "#b45309", "linestyle": "-", "marker": "^"},
    "diverse": {"color": "#6d28d9", "linestyle": "-", "marker": "D"},
}


def draw(axes: Any, result: dict[str, Any], by_words: bool) -> None:
    """The curves of one data set."""
    for strategy, line in LINES.items():
        cells = sorted(
            (cell for cell in result["summary"] if cell["strategy"] == strategy),
            key=lambda cell: cell["share"],
        )
        xs = [cell["words"]["mean"] / 1000 if by_words else cell["share"] for cell in cells]
        axes.plot(xs, [cell["test_f"]["mean"] for cell in cells], label=strategy, **line)
    axes.set_xlabel("thousand words annotated" if by_words else "% of the sentences annotated")
    axes.set_title(result["dataset"])
    axes.grid(alpha=0.3)


def main(output: Path = OUTPUT) -> None:
    """Draw both data sets."""
    # The same file from the same results; letters that can be searched
    matplotlib.rcParams.update({"svg.hashsalt": "selection", "svg.fonttype": "none"})
    figure, rows = plt.subplots(2, len(DATASETS), figsize=(9, 7), layout="constrained")
    for column, dataset in enumerate(DATASETS):
        result = json.loads((RESULTS / f"{dataset}.json").read_text())
        for by_words, axes in zip((False, True), rows[:, column]):
            draw(axes, result, by_words)
    for axes in rows[:, 0]:
        axes.set_ylabel("F, test part")
    rows[0, 0].legend()
    figure.savefig(output, metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    main()
