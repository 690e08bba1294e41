"""Reading JSON: an object on each line or a list of them, and values that files of spaCy can hold.

What is wrong with an object is raised as a `UserError` without its place, which `read_values` adds
when it makes a `Problem` of it.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ...common.errors import UserError
from ...common.files import BOM
from .records import UNREADABLE, Problem, RawMention

Made = TypeVar("Made")
MOST_DIGITS = 18
MOST_DEPTH = 200  # a .spacy file holds about 500
TOO_DEEP = f"This is nested more than {MOST_DEPTH} levels deep."
SURROGATE = "\\ud"


def read_records(
    path: Path, encoding: str, record_of: Callable[[str, dict[str, Any]], Made]
) -> Iterator[Made | Problem]:
    """Make records of the objects of a file: a list of them, a single one, or one on each line.

    Args:
        path: The file.
        encoding: Its encoding.
        record_of: Makes a record of the place of an object and the object, or raises a `UserError`.

    Yields:
        A record for each object, or what is wrong with it.

    Raises:
        UserError: If it is no JSON at all.
    """

    def records_of(place: str, value: Any) -> Iterator[Made]:
        if not isinstance(value, dict):
            raise UserError(f"This is not a JSON object: {value!r:.80}")
        yield record_of(place, value)

    return read_values(path, encoding, records_of, _is_object)


def read_values(
    path: Path,
    encoding: str,
    records_of: Callable[[str, Any], Iterable[Made]],
    is_one: Callable[[Any], bool],
) -> Iterator[Made | Problem]:
    """Make records of the values of a file: a list of them, a single one, or one on each line.

    Args:
        path: The file.
        encoding: Its encoding.
        records_of: Makes records of the place of a value and the value, or raises a `UserError`.
        is_one: Tells whether JSON is a single value, and not a list of them.

    Yields:
        The records of each value, or what is wrong with it.

    Raises:
        UserError: If it is no JSON at all.
    """
    for place, parse in _parts(path, encoding, is_one):
        try:
            yield from records_of(place, parse())
        except UserError as error:
            yield Problem(UNREADABLE, place, None, None, None, str(error))


def _parts(
    path: Path, encoding: str, is_one: Callable[[Any], bool]
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The place of each value of a file, and a function that parses it."""
    with path.open(encoding=encoding) as file:
        first = next((line for line in file if line.strip()), "")
    if first and not _holds_one(first, is_one):
        text = path.read_text(encoding=encoding)
        try:
            found = parsed_json(text)
        except UserError as error:
            if not any(_holds_one(line, is_one) for line in text.split("\n")):
                raise UserError(f"{path}: {error}") from error
        else:
            values = found if isinstance(found, list) and not is_one(found) else [found]
            for number, value in enumerate(values, start=1):
                yield f"{path}, number {number}", partial(_itself, value)
            return
    with path.open(encoding=encoding) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield f"{path}:{number}", partial(parsed_json, line)


def json_text(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON with all digits of its numbers, which srsly rounds to ten decimals."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)


def write_json_lines(path: Path, values: Iterable[Any]) -> None:
    """Write a line for each value."""
    with path.open("w", encoding="utf8") as file:
        file.writelines(f"{json_text(value)}\n" for value in values)


def _itself(value: Any) -> Any:
    return value


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _holds_one(line: str, is_one: Callable[[Any], bool]) -> bool:
    try:
        line = line.removeprefix(BOM).lstrip()
        return line.startswith(("{", "[")) and is_one(json.loads(line))
    except (ValueError, RecursionError):
        return False


def parsed_json(text: str) -> Any:
    """Parse JSON to values that a file of spaCy can hold.

    Numbers that it can't hold, such as NaN, become strings.

    Raises:
        UserError: If it is not valid, or has something else that no such file can hold.
    """
    try:
        value = json.loads(
            text.removeprefix(BOM),
            parse_int=whole_number,
            parse_float=_finite_number,
            parse_constant=str,
            object_pairs_hook=unique_keys,
        )
        # An escape may be half a character, which no string of spaCy can hold
        if SURROGATE in text.lower():
            json.dumps(value, ensure_ascii=False).encode("utf8")
        check_depth(text, value)
    except UnicodeEncodeError as error:
        raise UserError(f"This contains an unpaired surrogate ({SURROGATE}...).") from error
    except UserError:
        raise
    except RecursionError as error:
        raise UserError(TOO_DEEP) from error
    except ValueError as error:
        raise UserError(f"This is not valid JSON: {error}") from error
    return value


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of keys and values, for `json.loads`, which takes the last of equal keys.

    Raises:
        UserError: If a key is there twice.
    """
    value = dict(pairs)
    if len(value) < len(pairs):
        ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise UserError(f"An object has the key {key!r:.80} twice.")
    return value


def without_nan(value: Any) -> Any:
    """Return a value with None in place of what JSON has no numbers for: NaN and infinity."""
    if isinstance(value, dict):
        return {key: without_nan(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check_depth(text: str, value: Any) -> None:
    """Check that JSON is nested no deeper than files and other JSON can hold.

    Args:
        text: The JSON.
        value: What it was parsed to.

    Raises:
        UserError: If it is.
    """
    if text.count("[") + text.count("{") <= MOST_DEPTH:
        return
    level = [value]
    for _ in range(MOST_DEPTH):
        inside = (list(x.values()) if isinstance(x, dict) else x for x in level)
        level = [x for values in inside if isinstance(values, list) for x in values]
    if level:
        raise UserError(TOO_DEEP)


def whole_number(digits: str) -> int | str:
    """Return a whole number, or the digits of one that is too large for a file of spaCy."""
    return int(digits) if len(digits) <= MOST_DIGITS else digits


def _finite_number(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def text_of(value: dict[str, Any], key: str) -> str:
    """Return the text of an object.

    Raises:
        UserError: If there is none, naming the keys that there are.
    """
    text = value.get(key)
    if text is None:
        known = ", ".join(map(str, value))
        raise UserError(f"There is no text under {key!r} (--text-key), but: {known:.200}.")
    if not isinstance(text, str):
        raise UserError(f"The text under {key!r} is {text!r:.80}, which is not a string.")
    return text


def list_of(value: dict[str, Any], key: str) -> Any:
    """Return a list that an object has under a key, empty if there is none.

    Raises:
        UserError: If it is something else.
    """
    found = value.get(key) or []
    if not isinstance(found, list):
        raise UserError(f"{key!r} must be a list, but is {found!r:.80}")
    return found


def objects_of(value: dict[str, Any], key: str) -> Any:
    """Return a list of objects that an object has under a key, empty if there is none.

    Raises:
        UserError: If it is something else.
    """
    found = list_of(value, key)
    for one in found:
        if not isinstance(one, dict):
            raise UserError(f"{key!r} must be a list of objects, but has {one!r:.80}")
    return found


def as_id(value: Any) -> str | None:
    """Return an id as a string; None if there is none."""
    return None if value is None else str(value)


def field(value: Any, *keys: str) -> Any:
    """Return a value that an object must have, under one of some keys.

    Raises:
        UserError: If it is not there.
    """
    for key in keys:
        if isinstance(value, dict) and key in value:
            return value[key]
    raise UserError(f"{value!r:.80} has no {keys[0]!r}.")


def mention_of(value: Any) -> RawMention:
    """Return the mention that a list of its start, end and label stands for.

    Raises:
        UserError: If it is something else.
    """
    if not isinstance(value, list) or len(value) != 3:
        raise UserError(f"{value!r:.80} is not of the form [start, end, label].")
    return RawMention(((value[0], value[1]),), value[2])
