"""Lists of names, as the patterns that spaCy's `span_ruler` takes."""

from pathlib import Path
from typing import Any, Dict, List, Union

import srsly

Pattern = Dict[str, Any]


def read_patterns(path: Union[str, Path]) -> List[Pattern]:
    """Read the patterns of a `span_ruler`, for `[initialize.components]`.

    spaCy's own reader of JSONL gives no list, which a ruler asks for.

    Args:
        path: A JSONL file with a pattern a line.

    Raises:
        ValueError: If there is no such file, or a line of it is no pattern.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no file {path} with patterns.")
    try:
        patterns: List[Any] = list(srsly.read_jsonl(path))
    except ValueError as error:
        raise ValueError(f"{path} is no JSONL: {error}") from error
    for number, pattern in enumerate(patterns, 1):
        if not _is_pattern(pattern):
            raise ValueError(
                f'Entry {number} of {path} is no pattern of a span_ruler, such as {{"label": '
                f'"CITY", "pattern": "Berlin"}}: {str(pattern)[:80]}'
            )
    if not patterns:
        raise ValueError(f"{path} has no patterns.")
    return patterns


def _is_pattern(pattern: Any) -> bool:
    if not isinstance(pattern, dict) or not isinstance(pattern.get("label"), str):
        return False
    return bool(pattern.get("pattern")) and isinstance(pattern["pattern"], (str, list))
