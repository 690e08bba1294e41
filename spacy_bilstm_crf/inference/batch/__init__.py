"""Annotation of many documents, on one machine or many."""

from .engines import ENGINES
from .inputs import InputSettings, Part, files_of, parts_of
from .rows import read_part
from .run import Done, Work, done, errors_of, is_of_run, part_path, pending, run
from .table import Annotator, AnnotatorSettings, annotate_table, folder_of, loaded

__all__ = [
    "ENGINES",
    "Annotator",
    "AnnotatorSettings",
    "Done",
    "InputSettings",
    "Part",
    "Work",
    "annotate_table",
    "done",
    "errors_of",
    "files_of",
    "folder_of",
    "is_of_run",
    "loaded",
    "part_path",
    "parts_of",
    "pending",
    "read_part",
    "run",
]
