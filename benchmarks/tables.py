"""Put the tables of all studies into the README and the documentation.

    python -m benchmarks.tables

Each table stands between two markers, with a line below it that says what it was measured on. It is
made from the JSON files that its study wrote.
"""

import re
from importlib import import_module
from pathlib import Path

from benchmarks.harness.paths import ROOT

STUDIES = (
    "accuracy",
    "audit",
    "bulk",
    "calibration",
    "corrections",
    "coverage",
    "data_size",
    "deidentify",
    "distill",
    "documents",
    "drop_in",
    "encoder.accuracy",
    "estimate",
    "export",
    "gazetteer",
    "merging",
    "partial",
    "peers.accuracy",
    "peers.speed",
    "pretraining",
    "questions",
    "risk_control",
    "selection",
    "serving",
    "shrink",
    "softmax_margin",
    "spans.accuracy",
    "spans.flat",
    "spans.speed",
    "speed.cores",
    "speed.crf",
    "speed.footprint",
    "speed.latency",
    "speed.scale",
    "speed.step_profile",
    "speed.tagger",
    "thresholds",
    "tune",
    "update",
)
TABLES = {
    name: table
    for study in STUDIES
    for name, table in import_module(f"benchmarks.{study}").TABLES.items()
}


def pages() -> list[Path]:
    """Return the README and the pages of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def with_tables(page: str) -> str:
    """Return a page with all its tables made anew."""

    def replaced(found: re.Match[str]) -> str:
        return f"{found['begin']}\n{TABLES[found['name']]()}\n{found['end']}"

    pattern = r"(?P<begin><!-- table: (?P<name>\w+) .*?-->).*?(?P<end><!-- end -->)"
    return re.sub(pattern, replaced, page, flags=re.DOTALL)


if __name__ == "__main__":
    for path in pages():
        path.write_text(with_tables(path.read_text(encoding="utf8")), encoding="utf8")
