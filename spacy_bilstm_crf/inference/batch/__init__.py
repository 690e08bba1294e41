"""Annotation of many documents, on one machine or many."""

from .engines import ENGINES
from .parts import Part, parts_of, read_part
from .run import Done, Work, done, errors_of, is_of_run, part_path, pending, run
from .table import AnnotatorSettings, TableAnnotator, load_annotator

__all__ = [
    "ENGINES",
    "AnnotatorSettings",
    "Done",
    "Part",
    "TableAnnotator",
    "Work",
    "done",
    "errors_of",
    "is_of_run",
    "load_annotator",
    "part_path",
    "parts_of",
    "pending",
    "read_part",
    "run",
]
