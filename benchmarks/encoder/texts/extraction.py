"""Extract the texts of a source from a clone, list them in an index, and mix those of domains."""

import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import srsly

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.common.files import write_whole, written_whole

from .cleaning import MIN_WORDS, Limits, clean, is_prose, pack, without_bullet
from .clones import Clone
from .sources import SOURCES, Source

INDEX = "sources.json"
MIX = "mix.jsonl"
MIXED = ("news", "law", "finance", "medicine", "fiction")  # the domains with the most words
SHORT = 8  # words; of shorter paragraphs, such as replies, any are kept and may be repeated
SEED = 0

Entry = dict[str, Any]  # of the index


def file_of(name: str, folder: Path) -> Path:
    """Return the path of a source's texts, JSON lines with the key `text`."""
    return folder / f"{name}.jsonl"


def read_texts(path: Path) -> list[str]:
    """Read the texts of a file."""
    return [line["text"] for line in srsly.read_jsonl(path)]


def extract(source: Source, clone: Clone, folder: Path) -> Entry:
    """Write the texts of a source, and its entry in the index.

    Args:
        source: The source.
        clone: The clone of its repository.
        folder: The folder to write to.

    Returns:
        The entry.

    Raises:
        UserError: If the clone lacks files, or the folder those of the sources to subtract.
    """
    texts = texts_of(documents_of(source, clone), source, _texts_to_subtract(source, folder))
    n_texts = n_words = 0
    digest = hashlib.md5()
    with written_whole(file_of(source.name, folder)) as path, path.open("wb") as file:
        for text in texts:
            line = _line(text)
            file.write(line)
            digest.update(line)
            n_texts += 1
            n_words += len(text.split())
    entry = {
        "name": source.name,
        "domain": source.domain,
        "repository": source.repository,
        "commit": clone.commit(),
        "path_pattern": source.pattern,
        "licence": source.licence,
        "licence_stated": source.stated,
        "n_texts": n_texts,
        "n_words": n_words,
        "md5": digest.hexdigest(),
    }
    _add_to_index(entry, folder / INDEX)
    return entry


def documents_of(source: Source, clone: Clone) -> Iterator[list[str]]:
    """Yield the paragraphs of each document of a source."""
    files = clone.files(source.pattern)
    if source.cap is not None:
        files.sort(key=lambda file: hashlib.md5(file.path.encode()).digest())
    for data in clone.contents(files):
        yield from source.read(data)


def texts_of(
    documents: Iterable[list[str]], source: Source, known: Iterable[str] = ()
) -> Iterator[str]:
    """Make texts of documents until the source's cap is reached.

    Args:
        documents: The paragraphs of each document.
        source: What they are from.
        known: Texts to leave out.
    """
    seen_paragraphs: set[bytes] = set()
    seen_texts = set(known)
    n_words = 0
    for document in documents:
        paragraphs = list(_new_prose(document, seen_paragraphs, source.limits))
        for text in pack(paragraphs, source.glue):
            n = len(text.split())
            if n >= MIN_WORDS and text not in seen_texts and is_prose(text, source.limits):
                seen_texts.add(text)
                n_words += n
                yield text
        if source.cap is not None and n_words >= source.cap:
            return


def _new_prose(document: Iterable[str], seen: set[bytes], limits: Limits) -> Iterator[str]:
    """Yield the cleaned paragraphs that are prose, and not the same as another but for marks."""
    for raw in document:
        paragraph = without_bullet(clean(raw))
        if not paragraph:
            continue
        key = hashlib.md5(re.sub(r"\W+", "", paragraph.lower()).encode()).digest()
        is_short = len(paragraph.split()) < SHORT
        if is_short or (key not in seen and is_prose(paragraph, limits)):
            seen.add(key)
            yield paragraph


def _texts_to_subtract(source: Source, folder: Path) -> Iterator[str]:
    for name in source.minus:
        path = file_of(name, folder)
        if not path.exists():
            raise UserError(f"{source.name} leaves out the texts of {name}: add --source {name}")
        yield from read_texts(path)


def _line(text: str) -> bytes:
    return (json.dumps({"text": text}, ensure_ascii=False) + "\n").encode()


def _add_to_index(entry: Entry, path: Path) -> None:
    """Put an entry into the index, in place of one of that name or of a source that is no more."""
    entries: list[Entry] = json.loads(path.read_bytes()) if path.exists() else []
    others = [each for each in entries if each["name"] in SOURCES and each["name"] != entry["name"]]
    ordered = sorted([*others, entry], key=lambda each: (each["domain"], each["name"]))
    write_whole(path, json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")


def mix(folder: Path, n_words: int) -> dict[str, int]:
    """Write a mixture of the texts in a folder, with about as many words of each large domain.

    Args:
        folder: The folder, which gets the mixture as well.
        n_words: Number of words of each domain. It has fewer if its sources do.

    Returns:
        Number of words of each domain.
    """
    chance = random.Random(SEED)
    mixed: list[str] = []
    found = {}
    for domain in MIXED:
        names = sorted(source.name for source in SOURCES.values() if source.domain == domain)
        paths = [file_of(name, folder) for name in names]
        texts = [text for path in paths if path.exists() for text in read_texts(path)]
        chance.shuffle(texts)
        drawn = list(_up_to(n_words, texts))
        found[domain] = sum(len(text.split()) for text in drawn)
        mixed += drawn
    chance.shuffle(mixed)
    write_whole(folder / MIX, b"".join(map(_line, mixed)))
    return found


def _up_to(n_words: int, texts: Iterable[str]) -> Iterator[str]:
    n = 0
    for text in texts:
        if n >= n_words:
            return
        n += len(text.split())
        yield text
