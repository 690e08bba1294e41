"""Pipelines and files for the tests of bulk annotation."""

import json
import multiprocessing
import os
import signal
import sys
import time

import spacy
from spacy.language import Language

CITIES = ["London", "Berlin", "Rome"]


@Language.component("test_stumbles")
def stumbles(doc):
    if "stumble" in doc.text:
        raise RuntimeError("no such thing")
    return doc


@Language.component("test_dawdles")
def dawdles(doc):
    time.sleep(0.02)
    return doc


@Language.component("test_dies")
def dies(doc):
    if in_worker():
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # which kills on Windows
    return doc


def in_worker():
    """Whether this is a process that an engine has started."""
    return multiprocessing.parent_process() is not None or "annotate" not in sys.argv


def ruler_pipeline(path, *components):
    """A pipeline without a network, which is quick. Its code is this file."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "LOC", "pattern": city} for city in CITIES])
    for component in components:
        nlp.add_pipe(component)
    nlp.to_disk(path)
    return path


def text_of(i):
    return f"Number {i} is in {CITIES[i % 3]}."


def write_rows(path, n):
    with path.open("w", encoding="utf8") as file:
        for i in range(n):
            file.write(json.dumps({"id": f"row-{i}", "text": text_of(i)}) + "\n")
    return path
