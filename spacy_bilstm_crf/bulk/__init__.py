"""Annotation of many documents, on one machine or many."""

from .engines import ENGINES
from .inputs import InputFileError, InputSettings, Part, files_of, parts_of, read_part
from .run import Done, RunError, Work, done, part_path, pending, run
from .table import Annotator, AnnotatorSettings, annotate_table, folder_of, loaded

__all__ = [
    "ENGINES",
    "Annotator",
    "AnnotatorSettings",
    "Done",
    "InputFileError",
    "InputSettings",
    "Part",
    "RunError",
    "Work",
    "annotate_table",
    "done",
    "files_of",
    "folder_of",
    "loaded",
    "part_path",
    "parts_of",
    "pending",
    "read_part",
    "run",
]
