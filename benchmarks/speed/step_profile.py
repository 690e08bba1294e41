"""Where the time of a training step and of a prediction goes, as a table.

    python -m benchmarks.speed.step_profile --vectors FOLDER [--dataset ncbi-disease]

One thread. Every part's time is its own: what a part calls that is listed too counts there alone.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from thinc.api import Model

from benchmarks.speed.spacy_worker import Tagger
from benchmarks.speed.timing import machine, spread, write
from benchmarks.trainings import ROOT
from spacy_bilstm_crf.constraints import allowed_by_doc, allowed_by_gold
from spacy_bilstm_crf.decoding.decode import decode
from spacy_bilstm_crf.tags import spans_of_tags
from spacy_bilstm_crf.training.objectives import summed_negative_log_likelihood

ROUNDS = 7
PREDICTED = 256  # documents
REST = "spaCy: examples, documents, the rest"


class Watch:
    """Adds up the time that is spent in functions, each part's own."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.running: list[str] = []
        self.since = time.perf_counter()

    def switch(self) -> None:
        """Charge the time since the last switch to what has been running."""
        now = time.perf_counter()
        if self.running:
            self.seconds[self.running[-1]] += now - self.since
        self.since = now

    def timed(self, part: str, function: Callable) -> Callable:
        """The function, its time counted as that of the part."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self.switch()
            self.running.append(part)
            try:
                return function(*args, **kwargs)
            finally:
                self.switch()
                self.running.pop()

        return call

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Count the time of an object's function from now on."""
        setattr(owner, name, self.timed(part, getattr(owner, name)))

    def watch_function(self, function: Callable, part: str) -> None:
        """Count the time of a function of the package from now on, wherever it is imported."""
        timed, name = self.timed(part, function), function.__name__
        ours = [sys.modules[each] for each in sys.modules if each.startswith("spacy_bilstm_crf")]
        for module in ours:
            if getattr(module, name, None) is function:
                setattr(module, name, timed)

    def watch_layer(self, layer: Model, part: str) -> None:
        """Count the time of a layer's forward pass, backward pass and update."""
        forward = layer._func

        def both_ways(model: Model, X: Any, is_train: bool) -> Any:
            Y, backprop = forward(model, X, is_train)
            return Y, self.timed(f"{part}, backward", backprop)

        layer._func = self.timed(f"{part}, forward", both_ways)
        for node in layer.walk():
            for shim in node.shims:
                self.watch(shim, "finish_update", f"{part}, update")

    def run(self, function: Callable) -> dict[str, float]:
        """Shares of the time that a function takes, in percent."""
        self.seconds.clear()
        self.timed(REST, function)()
        total = sum(self.seconds.values())
        return {part: 100 * seconds / total for part, seconds in self.seconds.items()}


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", required=True)
    parser.add_argument("--dataset", default="ncbi-disease")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    corpus = ROOT / "corpus" / arguments.dataset
    config = ROOT / "configs" / "glove_char_cnn.cfg"
    data = [str(path) for path in (config, corpus / "train", corpus / "dev", arguments.vectors)]
    tagger = Tagger(*data)
    ner: Any = tagger.nlp.get_pipe("ner")

    watch = Watch()
    watch.watch_function(summed_negative_log_likelihood, "CRF")
    watch.watch_function(decode, "CRF")
    for conversion in (allowed_by_doc, allowed_by_gold, spans_of_tags):
        watch.watch_function(conversion, "entities <-> tags")
    watch.watch(ner, "set_annotations", "entities <-> tags")
    watch.watch_layer(ner.model.get_ref("tok2vec"), "word and character embedding")
    watch.watch_layer(ner.model.get_ref("output_layer"), "BiLSTM")

    batches = list(tagger.settings["batcher"](tagger.examples))[:150]

    def train() -> None:
        for batch in batches:
            tagger.update(batch)

    def predict() -> None:
        tagger.tag(tagger.tokenised()[:PREDICTED])

    rows = {}
    for what, function in (("training", train), ("prediction", predict)):
        function()
        found = [watch.run(function) for _ in range(ROUNDS)]
        parts = sorted(found[0], key=lambda part: -found[0][part])
        rows[what] = {part: spread([shares.get(part, 0.0) for shares in found]) for part in parts}
        print(what, {part: round(share["median"], 1) for part, share in rows[what].items()})
    about = {"dataset": arguments.dataset, "n_tags": len(ner.tags), "threads": 1}
    write("profile", {**about, **machine("spacy", "thinc", "torch"), "percent": rows})


if __name__ == "__main__":
    main()
