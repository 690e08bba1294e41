"""Training data of Rasa NLU: YAML, Markdown or JSON, whichever a file has.

Each example of an intent is a document, and the intent is in its meta. Entities are in brackets in
the text, and behind them their label in parentheses or an object in braces; in JSON they have
offsets. An example without one is annotated. Synonyms, regular expressions and lookup tables are
left out and counted, and so are values, roles and groups of entities.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import srsly

from ...common.errors import UserError
from .docs import NO_ENTITY
from .jsonl import field, list_of, objects_of, parsed_json, text_of
from .records import UNREADABLE, Findings, Problem, RawMention, Record
from .registry import Format, register
from .sample import FileSample
from .settings import FormatSettings

INTENT, OF_EXAMPLE = "intent", "metadata"
# A part of an example that is an entity. What comes after its text is a label, and a value perhaps;
# an object; or a list of them
ENTITY = re.compile(
    r"\[(?P<text>[^\]]+)\]"
    r"(?:\((?P<label>[^:)]+)(?::(?P<value>[^)]+))?\)|(?P<object>\{[^}]+\})|(?P<list>\[\{.*?\}\]))"
)
SECTION = re.compile(r"##\s*([^:]+?):(.+)")
ITEM = re.compile(r"[-*+]\s*(.*)", re.DOTALL)
COMMENT = re.compile(r"<!--.*?--!*>", re.DOTALL)
NLU_YAML = re.compile(r"^nlu:\s*(?:#.*)?$", re.MULTILINE)
NLU_MARKDOWN = re.compile(r"^##\s*(?:intent|synonym|regex|lookup):", re.MULTILINE)
ESCAPES = {r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\b": "\b", r"\f": "\f"}
ESCAPE = re.compile(r"\\[nrtbf]")
# Parts of the training data that are no examples
LEFT_OUT = {
    "synonym": "synonyms left out",
    "regex": "regular expressions left out",
    "lookup": "lookup tables left out",
}
OF_JSON = {
    "entity_synonyms": "synonyms left out",
    "regex_features": "regular expressions left out",
    "lookup_tables": "lookup tables left out",
}
EXAMPLES_OF_JSON = ("common_examples", "intent_examples", "entity_examples")
NOT_IN_A_DOC = {"role": "roles of entities left out", "group": "groups of entities left out"}
VALUES = "values of entities that differ from their text left out"
NO_EXAMPLE = "lines that are no example left out"


def read_rasa(
    path: Path, settings: FormatSettings, findings: Findings
) -> Iterator[Record | Problem]:
    """Read the examples of a file.

    Raises:
        UserError: If it has none, or is neither YAML nor Markdown nor JSON.
    """
    text = path.read_text(encoding=settings.encoding)
    try:
        if text.lstrip().startswith("{"):
            yield from _of_json(path, parsed_json(text), findings)
        elif path.suffix.lower() == ".md" or NLU_MARKDOWN.search(text):
            yield from _of_markdown(path, text, findings)
        else:
            yield from _of_yaml(path, text, findings)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _of_yaml(path: Path, text: str, findings: Findings) -> Iterator[Record | Problem]:
    try:
        value = srsly.yaml_loads(text)
    except ValueError as error:
        message = " ".join(str(error).removeprefix("Invalid YAML: ").split())
        raise UserError(f"This is not valid YAML: {message}") from error
    if not isinstance(value, dict):
        raise UserError(f"This is no training data of Rasa: {value!r:.80}")
    if value.get("nlu") is None:
        known = ", ".join(map(str, value))
        raise UserError(f"There are no examples under 'nlu', but: {known:.200}.")
    for key in value.keys() - {"version", "nlu"}:
        findings.notes[f"parts of Rasa's files under {key!r:.40} left out"] += 1
    for item in objects_of(value, "nlu"):
        kind = next((key for key in LEFT_OUT if key in item), None)
        if kind is not None:
            n_lines = sum(map(bool, map(str.strip, str(item.get("examples") or "").split("\n"))))
            findings.notes[LEFT_OUT[kind]] += 1 if kind == "lookup" else n_lines
            continue
        intent = str(field(item, INTENT))
        for number, (example, metadata) in enumerate(_examples(item, findings), start=1):
            place = f"{path}, intent {intent}, example {number}"
            about = {INTENT: intent}
            if metadata is not None:
                about[OF_EXAMPLE] = parsed_json(json.dumps(metadata, default=str))
            yield _marked(place, example, about, findings)


def _examples(item: dict[str, Any], findings: Findings) -> Iterator[tuple[str, Any]]:
    """The examples of an intent, and their metadata or those of the intent."""
    examples, metadata = item.get("examples") or [], item.get(OF_EXAMPLE)
    if isinstance(examples, list):
        for one in examples:
            text = text_of(one, "text") if isinstance(one, dict) else str(one)
            own = one.get(OF_EXAMPLE, metadata) if isinstance(one, dict) else metadata
            # With or without a dash, as in text of several lines
            yield text.strip(), own
        return
    for line in str(examples).split("\n"):
        if line.startswith("-") and line[1:].strip():
            yield line[1:].strip(), metadata
        else:
            findings.notes[NO_EXAMPLE] += bool(line.strip())


def _of_markdown(path: Path, text: str, findings: Findings) -> Iterator[Record | Problem]:
    if not NLU_MARKDOWN.search(text):
        raise UserError("There is no '## intent:' in this file, so it has no examples.")
    # Comments are left out, but not their lines, which are counted
    text = COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)
    kind = title = ""
    for number, line in enumerate(text.split("\n"), start=1):
        line = ESCAPE.sub(lambda found: ESCAPES[found[0]], line.strip())
        section, item = SECTION.match(line), ITEM.match(line)
        if section:
            kind, title = section[1].strip(), section[2].strip()
            findings.notes[LEFT_OUT["lookup"]] += kind == "lookup"
            if kind not in (INTENT, *LEFT_OUT):
                raise UserError(f"Line {number} begins a section of {kind!r:.60}, not of examples.")
        elif item and item[1].strip() and kind == INTENT:
            place = f"{path}:{number}"
            yield _marked(place, item[1].strip(), {INTENT: title}, findings)
        elif item and kind in ("synonym", "regex"):
            findings.notes[LEFT_OUT[kind]] += 1
        elif kind != "lookup":
            findings.notes[NO_EXAMPLE] += bool(line)


def _of_json(path: Path, value: Any, findings: Findings) -> Iterator[Record | Problem]:
    data = field(value, "rasa_nlu_data")
    if not isinstance(data, dict):
        raise UserError(f"'rasa_nlu_data' must be an object, but is {data!r:.80}")
    for key, what in OF_JSON.items():
        findings.notes[what] += len(list_of(data, key))
    for key in EXAMPLES_OF_JSON:
        for number, example in enumerate(objects_of(data, key), start=1):
            place = f"{path}, {key} {number}"
            try:
                yield _with_offsets(place, example, findings)
            except UserError as error:
                yield Problem(UNREADABLE, place, None, None, None, str(error))


def _with_offsets(place: str, example: dict[str, Any], findings: Findings) -> Record:
    text = text_of(example, "text")
    mentions = []
    for one in objects_of(example, "entities"):
        offsets = field(one, "start"), field(one, "end")
        mention = RawMention((offsets,), field(one, "entity"))
        mentions.append(mention)
        where = mention.offsets
        _note(one, text[slice(*where)] if where else "", findings)
    findings.notes[NO_ENTITY] += not mentions
    about = {key: x for key, x in example.items() if key not in ("text", "entities")}
    return Record(place, text, meta=about, entities=tuple(mentions))


def _note(entity: dict[str, Any], text: str, findings: Findings) -> None:
    """Count what a doc can't hold of an entity."""
    findings.notes[VALUES] += entity.get("value") not in (None, text)
    for key, what in NOT_IN_A_DOC.items():
        findings.notes[what] += entity.get(key) is not None


def _marked(
    place: str, example: str, about: dict[str, Any], findings: Findings
) -> Record | Problem:
    """A record of an example, with its entities in brackets."""
    try:
        text, mentions = _parsed(example, findings)
    except UserError as error:
        return Problem(UNREADABLE, place, None, None, None, f"{example!r:.80}: {error}")
    findings.notes[NO_ENTITY] += not mentions
    return Record(place, text, meta=about, entities=tuple(mentions))


def _parsed(example: str, findings: Findings) -> tuple[str, list[RawMention]]:
    """The text of an example, and its entities.

    Raises:
        UserError: If what is in braces is no JSON, or has no label.
    """
    parts, mentions = [], []
    length = end = 0
    for found in ENTITY.finditer(example):
        before, text = example[end : found.start()], found["text"]
        start = length + len(before)
        length, end = start + len(text), found.end()
        parts += [before, text]
        for entity in _entities_of(found):
            mentions.append(RawMention(((start, length),), field(entity, "entity")))
            _note(entity, text, findings)
    return "".join([*parts, example[end:]]), mentions


def _entities_of(found: re.Match[str]) -> list[dict[str, Any]]:
    if found["label"] is not None:
        return [{"entity": found["label"], "value": found["value"]}]
    value = parsed_json(found["object"] or found["list"])
    return value if isinstance(value, list) else [value]


def _detect(sample: FileSample) -> bool:
    is_of_text = not sample.text.lstrip().startswith(("{", "["))
    marks = (NLU_YAML, NLU_MARKDOWN)
    return sample.has("rasa_nlu_data") or (
        is_of_text and any(mark.search(sample.text) for mark in marks)
    )


# Other files of a project
_OTHERS = ("config", "credentials", "domain", "endpoints", "rules", "stories")
_BESIDE = {"README.md", *(f"{name}.{end}" for name in _OTHERS for end in ("yml", "yaml", "md"))}
_SUFFIXES = (".yml", ".yaml", ".md", ".json")
register(
    Format("rasa", read_rasa, None, _SUFFIXES, detect=_detect, is_by_ending=False, beside=_BESIDE)
)
