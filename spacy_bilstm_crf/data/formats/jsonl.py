"""Reading JSON: an object on each line or a list of them, and errors that name the place."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...common.errors import UserError

MOST_DIGITS = 18
SURROGATE = "\\ud"


def read_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a JSONL file, each with its place.

    Raises:
        UserError: Naming the line that is no object.
    """
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                place = f"{path}:{number}"
                yield place, _object(_parsed(line, place), place)


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a file that is a list of them, a single one, or one on each line.

    Raises:
        UserError: If it is neither.
    """
    text = path.read_text(encoding="utf-8-sig")
    lines = text.strip().split("\n")
    is_list = lines[0].startswith("[")
    if not is_list and (len(lines) == 1 or lines[0].strip() != "{"):
        yield from read_lines(path)
        return
    found = _parsed(text, str(path))  # a single object may be over several lines
    for number, value in enumerate(found if is_list else [found], start=1):
        place = f"{path}, number {number}"
        yield place, _object(value, place)


def _parsed(text: str, place: str) -> Any:
    try:
        value = json.loads(text, parse_int=whole_number)
        # An escape may be half a character, which no string of spaCy can hold
        if SURROGATE in text.lower():
            json.dumps(value, ensure_ascii=False).encode("utf8")
    except UnicodeEncodeError as error:
        raise UserError(f"{place} contains an unpaired surrogate ({SURROGATE}...).") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place} is not valid JSON: {error}") from error
    return value


def whole_number(digits: str) -> int | str:
    """Return a whole number, or the digits of one that is too large for a file of spaCy."""
    return int(digits) if len(digits) <= MOST_DIGITS else digits


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{place} is not a JSON object: {value!r:.80}")
    return value


def text_of(value: dict[str, Any], key: str, place: str) -> str:
    """Return the text of an object.

    Raises:
        UserError: If there is none, naming the keys that there are.
    """
    text = value.get(key)
    if text is None:
        raise UserError(
            f"{place} has no text under {key!r} (--text-key). It has: {', '.join(map(str, value))}."
        )
    if not isinstance(text, str):
        raise UserError(f"{place}: the text under {key!r} is {text!r:.80}, which is not a string.")
    return text


def list_of(value: dict[str, Any], key: str, place: str) -> Any:
    """Return a list that an object has under a key, empty if there is none.

    Raises:
        UserError: If it is something else.
    """
    found = value.get(key) or []
    if not isinstance(found, list):
        raise UserError(f"{place}: {key!r} must be a list, but is {found!r:.80}")
    return found


def objects_of(value: dict[str, Any], key: str, place: str) -> Any:
    """Return a list of objects that an object has under a key, empty if there is none.

    Raises:
        UserError: If it is something else.
    """
    found = list_of(value, key, place)
    for one in found:
        if not isinstance(one, dict):
            raise UserError(f"{place}: {key!r} must be a list of objects, but has {one!r:.80}")
    return found


def as_id(value: Any) -> str | None:
    """Return an id as a string; None if there is none."""
    return None if value is None else str(value)


def field(value: Any, key: str, place: str) -> Any:
    """Return a value that an object must have.

    Raises:
        UserError: If it is not.
    """
    if not isinstance(value, dict) or key not in value:
        raise UserError(f"{place}: {value!r:.80} has no {key!r}.")
    return value[key]
