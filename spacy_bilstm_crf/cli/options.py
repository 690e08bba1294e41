"""Arguments and options that several commands have, written once so that they agree."""

from pathlib import Path
from typing import Annotated

from typer import Argument, BadParameter, Option

# Settings of the config that follow a command's own options are handed to its function
WITH_OVERRIDES = {"allow_extra_args": True, "ignore_unknown_options": True}

PipelineArgument = Annotated[
    str, Argument(help="Trained pipeline: a folder or the name of an installed package")
]
ConfigArgument = Annotated[
    Path, Argument(metavar="CONFIG", help="Training config, as written by `init-config`")
]
DataArgument = Annotated[
    Path, Argument(help="Annotated data: a .spacy file, or a folder of them", exists=True)
]
OutputFolder = Annotated[Path, Option("--output", "-o", help="Folder for the results")]
PipelineFolder = Annotated[
    Path, Option("--output", "-o", help="Folder to save the new pipeline to")
]
ComponentOption = Annotated[
    str, Option("--component", help="Name of the component that finds entities")
]
EntityFinderOption = Annotated[
    str | None,
    Option(
        "--component",
        help="Name of the component that finds entities. Default: ner, or else the only component "
        "around a CRF, such as a bilstm_crf_spans",
    ),
]
ComponentsOption = Annotated[
    list[str] | None,
    Option("--component", help="Name of a component; repeat the option for several. Default: all"),
]
CodeOption = Annotated[
    Path | None,
    Option(
        "--code",
        "-c",
        exists=True,
        dir_okay=False,
        help="Python file with registered functions that the pipeline or config needs",
    ),
]
GpuOption = Annotated[int, Option("--gpu-id", "-g", min=-1, help="GPU ID or -1 for CPU")]
ForceOption = Annotated[bool, Option("--force", "-F", help="Overwrite existing output")]
ScoringDataOption = Annotated[
    Path | None,
    Option("--data", exists=True, help="Annotated data, to print scores before and after"),
]
GroupByOption = Annotated[
    str | None,
    Option(
        "--group-by",
        help="Key of the docs' meta or user_data, such as the source of a text: docs with the same "
        "value are in the same fold",
    ),
]
SliceOption = Annotated[
    list[str] | None,
    Option(
        "--slice",
        "-s",
        help="Also score entities by this key of doc.user_data or this extension of docs or "
        "spans. Can be given several times",
    ),
]
TextKeyOption = Annotated[
    str,
    Option(
        "--text-key", "--text-column", help="Key or column of the text in JSON, CSV and Parquet"
    ),
]
IdKeyOption = Annotated[
    str,
    Option(
        "--id-key",
        "--id-column",
        help="Key or column of the ids. Files need not have the default one",
    ),
]
BatchSizeOption = Annotated[
    int, Option("--batch-size", "-n", min=1, help="Number of texts to process together")
]
JobsOption = Annotated[int, Option("--jobs", "-j", min=1, help="Number of worker processes")]
TextsArgument = Annotated[
    str,
    Argument(
        help="Texts: a .txt, .jsonl, .ndjson, .csv, .tsv, .parquet or .spacy file, a folder of "
        "them, or a glob in quotes. A .txt file is one text, unless --lines is given"
    ),
]
LinesOption = Annotated[
    bool,
    Option(
        "--lines/--whole-files",
        help="Whether each line of a .txt file is a text, or the whole file is one",
    ),
]


def label_threshold(text: str) -> tuple[str, float]:
    """Read a label and its threshold, such as PERSON=0.8.

    Raises:
        BadParameter: If it is none.
    """
    label, _, value = text.rpartition("=")
    try:
        threshold = float(value)
    except ValueError:
        threshold = -1.0
    if not label or not 0.0 <= threshold <= 1.0:
        raise BadParameter(
            f"{text!r} is no label with a threshold from 0 to 1, such as PERSON=0.8."
        )
    return label, threshold
