"""Lists of names, as the patterns that spaCy's `span_ruler` takes."""

import re
from pathlib import Path
from typing import Any

import srsly
from spacy.matcher import Matcher
from spacy.vocab import Vocab

from ..common.errors import one_line

Pattern = dict[str, Any]


def read_patterns(path: str | Path) -> list[Pattern]:
    """Read the patterns of a `span_ruler`, for `[initialize.components]`.

    spaCy's own reader of JSONL gives no list, which a ruler asks for.

    Args:
        path: A JSONL file with a pattern a line.

    Raises:
        ValueError: If there is no such file, or a line of it is no pattern.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no file of patterns {path}.")
    patterns: list[Any] = []
    try:
        for line in path.read_text(encoding="utf-8-sig").splitlines():
            if line.strip():
                patterns.append(srsly.json_loads(line))
    except ValueError as error:  # UnicodeDecodeError is one
        where = f"Entry {len(patterns) + 1} of {path}"
        raise ValueError(f"{where} is not valid JSON in UTF-8: {error}") from error
    vocab = Vocab()
    for number, pattern in enumerate(patterns, 1):
        wrong = _why_not(pattern, vocab)
        if wrong is not None:
            raise ValueError(
                f'Entry {number} of {path} is not a pattern of a span_ruler, such as {{"label": '
                f'"CITY", "pattern": "Berlin"}}: {wrong}'
            )
    if not patterns:
        raise ValueError(f"{path} has no patterns.")
    return patterns


def _why_not(pattern: Any, vocab: Vocab) -> str | None:
    """What is wrong with a pattern; None if nothing is."""
    if not isinstance(pattern, dict):
        return str(pattern)[:80]
    if not isinstance(pattern.get("label"), str) or not pattern["label"]:
        return "it has no label"
    for key, value in pattern.items():
        if key != "pattern" and not isinstance(value, str):
            return f"its {key} is {value!r:.80}, which is no string"
    content = pattern.get("pattern")
    if isinstance(content, str) and content.strip():
        return None
    if not isinstance(content, list) or not content:
        return "it has no pattern"
    try:
        Matcher(vocab, validate=True).add("pattern", [content])
    except (ValueError, re.error) as error:  # a regular expression is compiled here
        return one_line(error)
    return None
