"""Annotation of many documents, on one machine or many."""

from .engines import ENGINES
from .inputs import InputFileError, InputSettings, Part, files_of, parts_of, read_part
from .run import MANIFEST, Done, RunError, Work, done, part_path, pending, run
from .table import Annotator, AnnotatorSettings, annotate_table, loaded

__all__ = [
    "ENGINES",
    "MANIFEST",
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
    "loaded",
    "part_path",
    "parts_of",
    "pending",
    "read_part",
    "run",
]
