"""Figures that others published, of systems that can't be had here, and where they stand.

Each was looked up at its source. They are of the same test data, but of other machines and
other scripts for scoring.
"""

from typing import NamedTuple

from benchmarks.harness import tables


class Published(NamedTuple):
    """A figure that others published.

    Attributes:
        system: The system.
        dataset: The data set.
        f: F of the test part, in percent.
        trained_on: The sentences that it was trained on.
        source: Where the figure stands.
        missing: Why the system is not measured here.
    """

    system: str
    dataset: str
    f: float
    trained_on: str
    source: str
    missing: str


HUB = "its weights are on the Hugging Face hub"
BIOBERT = (
    "[BioBERT for PyTorch](https://github.com/dmis-lab/biobert-pytorch/blob/master/"
    "named-entity-recognition/README.md), evaluation results (2020)"
)
PUBLISHED = [
    Published("BERT-base", "ncbi-disease", 85.27, "all", BIOBERT, HUB),
    Published("BioBERT-base 1.1", "ncbi-disease", 88.30, "all", BIOBERT, HUB),
    Published(
        "GLiNER, `gliner_xxl-v2.5`",
        "ncbi-disease",
        67.1,
        "none of them",
        "[its model card](https://huggingface.co/gliner-community/gliner_xxl-v2.5) (2024)",
        HUB,
    ),
    Published(
        "Flair 0.4.4 with its language models",
        "wnut17",
        49.49,
        "all",
        "[its README](https://github.com/flairNLP/flair/tree/v0.4.4) (2019)",
        "its language models are on its authors' server",
    ),
    Published(
        "BERTweet-base",
        "wnut17",
        56.5,
        "all",
        "[Nguyen et al.](https://aclanthology.org/2020.emnlp-demos.2) (2020)",
        HUB,
    ),
    Published(
        "BiLSTM-CRF",
        "german-ler",
        95.46,
        "all, nine times as many as here",
        "[Leitner et al.](https://doi.org/10.1007/978-3-030-33220-4_20), abstract (2019)",
        "it is trained on a file that is left out here",
    ),
]


def table() -> str:
    """Make the table of published figures."""
    rows = [["data", "system", "F", "trained on sentences", "source", "not measured here:"]]
    for one in PUBLISHED:
        f = f"{one.f:.1f}"
        rows.append([one.dataset, one.system, f, one.trained_on, one.source, one.missing])
    return tables.markdown(*rows)
