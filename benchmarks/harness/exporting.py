"""Exported pipelines, measured beside the one that they were made of."""

from pathlib import Path

from spacy_bilstm_crf.pipeline.exporting import Precision
from spacy_bilstm_crf.workflows import export

# What tables call them
EXPORTED: dict[Precision, str] = {"float32": "exported", "int8": "exported int8"}


def exported(pipeline: Path, folder: Path) -> dict[Precision, Path]:
    """Export a pipeline in each precision, and return the folders of the results."""
    paths: dict[Precision, Path] = {}
    for precision, name in EXPORTED.items():
        paths[precision] = folder / name.replace(" ", "-")
        export(pipeline, precision=precision).to_disk(paths[precision])
    return paths
