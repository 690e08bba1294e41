"""The protocol by which `tagger.py` drives a tagger in another process.

A worker reads one command a line from standard input: `train`, `predict` or `pipe`. It does that
once, over all of its documents, and answers with the seconds it took. So the taggers run in
turns, each in the environment that it needs. What a command works on is made before the clock
starts.
"""

import json
import sys
import time
from typing import Any, Callable, Dict, Tuple

# What begins a line of an answer: libraries print to standard output too
ANSWER = "answer: "
# Of the training data, so that a round of the slow ones takes a quarter of a minute
TRAIN_SENTENCES = 600
DEV_SENTENCES = 1000  # tagged, of the development data


def serve(
    commands: Dict[str, Tuple[Callable[[], Any], Callable[[Any], Any]]], **about: Any
) -> None:
    """Answer commands until there are none. `about` is told first.

    A command is what makes its documents and what is done with them.
    """
    print(ANSWER + json.dumps(about), flush=True)
    for line in sys.stdin:
        prepare, work = commands[line.strip()]
        documents = prepare()
        start = time.perf_counter()
        work(documents)
        print(ANSWER + json.dumps(time.perf_counter() - start), flush=True)
