"""The protocol by which `tagger.py` drives a tagger in another process.

A worker reads one command a line from standard input: `train`, `predict`, `pipe` or `text N`. It
runs the command once, over all of its documents, and answers with the seconds that this takes, or
with what the command returns: the seconds of each document. So the taggers run in turns, each in
the environment that it needs. What a command works on is made before the clock starts.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

# Begins the line of an answer: libraries print to standard output too
ANSWER = "answer: "
# Of the training data, so that a round of the slow ones takes a quarter of a minute
TRAIN_SENTENCES = 600
DEV_SENTENCES = 1000  # tagged, of the development data
# One text at a time: the numbers of words, and calls in a round
TEXT_WORDS = (5, 25, 100, 400)
CALLS = 40


def serve(
    commands: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]], **about: Any
) -> None:
    """Answer commands until standard input ends. The first answer is `about`.

    Args:
        commands: By name, a function that makes the documents, and one that works on them.
        about: What to say of the tagger.
    """
    print(ANSWER + json.dumps(about), flush=True)
    for line in sys.stdin:
        prepare, work = commands[line.strip()]
        documents = prepare()
        start = time.perf_counter()
        found = work(documents)
        seconds = time.perf_counter() - start if found is None else found
        print(ANSWER + json.dumps(seconds), flush=True)


def one_by_one(call: Callable[[Any], Any], texts: Iterable[Any]) -> list[float]:
    """Return the seconds that each text takes."""
    found = []
    for text in texts:
        begin = time.perf_counter()
        call(text)
        found.append(time.perf_counter() - begin)
    return found


def texts_of(words: list[str], n_words: int, n: int, first: int = 0) -> list[str]:
    """Cut `n` texts of `n_words` words, one after the other, starting with number `first`."""
    starts = (place * n_words % (len(words) - n_words) for place in range(first, first + n))
    return [" ".join(words[start : start + n_words]) for start in starts]
