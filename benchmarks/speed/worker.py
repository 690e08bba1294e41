"""The protocol by which `tagger.py` drives a tagger in another process.

A worker reads one command a line from standard input: `train`, `predict` or `pipe`. It does that
once, over all of its documents, and answers with the seconds it took. So the taggers run in
turns, each in the environment that it needs.
"""

import json
import sys
import time
from typing import Any, Callable, Dict

# What begins a line of an answer: libraries print to standard output too
ANSWER = "answer: "
# Of the training data, so that a round of the slow ones takes half a minute
TRAIN_SENTENCES = 1200


def serve(commands: Dict[str, Callable[[], Any]], **about: Any) -> None:
    """Answer commands until there are none. `about` is told first."""
    print(ANSWER + json.dumps(about), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        commands[line.strip()]()
        print(ANSWER + json.dumps(time.perf_counter() - start), flush=True)
