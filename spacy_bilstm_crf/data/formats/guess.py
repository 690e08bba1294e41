"""What a file looks like that can't be read as what it was said to be."""

import json
import re
from pathlib import Path
from typing import Any

MOST_TO_LOOK_AT = 1 << 20  # to look at
# Keys of the first object of a file, and what it looks like; the first that fits counts
FORMATS_BY_KEYS = (
    ({"data", "annotations"}, "label-studio"),
    ({"data", "completions"}, "label-studio"),
    ({"data", "predictions"}, "label-studio"),
    ({"text", "annotation_id"}, "label-studio"),
    ({"text", "spans"}, "prodigy"),
    ({"text", "answer"}, "prodigy"),
    ({"text", "label"}, "doccano"),
    ({"text", "entities"}, "doccano"),
)
OTHERS_BY_KEYS = (
    ({"content", "annotation"}, "Dataturks' export"),
    ({"classes", "annotations"}, "NER Annotator's export"),
    ({"tokens", "ner_tags"}, "a data set of Hugging Face"),
    ({"tokens", "tags"}, "a data set of Hugging Face"),
    ({"paragraphs"}, "spaCy v2's JSON, which `python -m spacy convert` reads"),
    ({"rasa_nlu_data"}, "Rasa's training data"),
)
OTHERS_BY_START = (
    (rb"\xff\xfe\0\0|[^\0]\0\0\0", "text in UTF-32 (--encoding utf-32-le)"),
    (rb"\xff\xfe|\xfe\xff", "text in UTF-16 (--encoding utf-16)"),
    (rb"[^\0]\0[^\0]\0", "text in UTF-16 (--encoding utf-16-le)"),
    (rb"\0[^\0]\0[^\0]", "text in UTF-16 (--encoding utf-16-be)"),
    (rb"PK\x03\x04", "a ZIP archive: unpack it first"),
    (rb"\x1f\x8b", "a gzip archive: unpack it first"),
    (rb"PAR1", "Parquet, such as a data set of Hugging Face"),
    (rb"(?:\xef\xbb\xbf)?annotation_id,", "Label Studio's CSV: export JSON instead"),
    (rb"(?:\xef\xbb\xbf)?(?:version:.*\s+)?(?:nlu|rules|stories):", "Rasa's training data"),
    (rb"\s*<(?:\?xml|!DOCTYPE|html)", "XML or HTML"),
)
COLUMNS = re.compile(rb"\S+[ \t]+(?:\S+[ \t]+)*(?:O|[BIS]-\S+)[ \t]*\r?\n")
STANDOFF = re.compile(rb"T\d+\t\S+ \d+ \d+")


def looks_like(path: Path, named: str) -> str:
    """Tell what a file looks like, and what to do.

    Args:
        path: The file, or a folder.
        named: The name of the format that it was said to have.

    Returns:
        A sentence; "" if it looks like nothing known, or like what it was said to be.
    """
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        start = file.read(MOST_TO_LOOK_AT)
    other = next((what for pattern, what in OTHERS_BY_START if re.match(pattern, start)), None)
    known = _known(start)
    if other is None and known is None:
        other, known = _by_keys(_first_object(start))
    if other is not None:
        return f"This looks like {other}."
    if known is None or named.startswith(known):  # "doccano-relations" reads both layouts
        return ""
    hint = ", with its folder as the input" if known == "brat" else ""
    return f"This looks like {known}: read it with --from {known}{hint}."


def _known(start: bytes) -> str | None:
    if STANDOFF.match(start):
        return "brat"
    return "conll" if COLUMNS.match(start) and start[:1] not in (b"{", b"[") else None


def _by_keys(value: Any) -> tuple[str | None, str | None]:
    """What is looked like: another format's name, or one of ours."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], dict):
        return "spaCy v2's training data, [text, {...}]", None
    if not isinstance(value, dict):
        return None, None
    other = next((what for keys, what in OTHERS_BY_KEYS if keys <= value.keys()), None)
    return other, next((name for keys, name in FORMATS_BY_KEYS if keys <= value.keys()), None)


def _first_object(start: bytes) -> Any:
    """The first object of a JSON file, or of the list that it is; None if there is none."""
    text = start.decode("utf-8-sig", errors="replace").lstrip()
    decoder = json.JSONDecoder()
    for at in (0, 1):  # the file may be a list of objects, or be cut before its end
        try:
            value, _ = decoder.raw_decode(text[at:].lstrip())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, list) and value and isinstance(value[0], list | dict):
            return value[0]
        return value
    return None
