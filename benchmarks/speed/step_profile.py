"""Where the time of a training step and of a prediction goes.

    python -m benchmarks.speed.step_profile [--vectors FOLDER] [--dataset ncbi-disease]

One thread. Every part is charged with its own time: what a part calls that is listed too counts
there alone. Results go to benchmarks/speed/results/profile.json.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from thinc.api import Model

from benchmarks.harness import command, tables, timing
from benchmarks.harness.paths import CORPUS, VECTORS, WITH_VECTORS, results_of
from benchmarks.harness.results import machine, read, write
from benchmarks.speed.spacy_worker import Tagger
from spacy_bilstm_crf.constraints import allowed_by_doc, allowed_by_gold
from spacy_bilstm_crf.decoding.decode import decode
from spacy_bilstm_crf.tags import spans_of_tags
from spacy_bilstm_crf.training.objectives import summed_negative_log_likelihood

BATCHES = 150  # of training
PREDICTED = 256  # documents
REST = "spaCy: examples, documents, the rest"


class Watch:
    """A stopwatch for functions, which charges each part with its own time alone."""

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
        """Return the function, whose time then counts for the part."""

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
        """Run a function, and return the parts' shares of its time in percent."""
        self.seconds.clear()
        self.timed(REST, function)()
        total = sum(self.seconds.values())
        return {part: 100 * seconds / total for part, seconds in self.seconds.items()}


def watch_over(ner: Any) -> Watch:
    """Watch the parts of a component."""
    watch = Watch()
    watch.watch_function(summed_negative_log_likelihood, "CRF")
    watch.watch_function(decode, "CRF")
    for conversion in (allowed_by_doc, allowed_by_gold, spans_of_tags):
        watch.watch_function(conversion, "entities <-> tags")
    watch.watch(ner, "set_annotations", "entities <-> tags")
    watch.watch_layer(ner.model.get_ref("tok2vec"), "word and character embedding")
    watch.watch_layer(ner.model.get_ref("output_layer"), "BiLSTM")
    return watch


def main(
    vectors: command.Vectors = VECTORS,
    dataset: command.Dataset = "ncbi-disease",
    rounds: command.Rounds = 7,
) -> None:
    """Profile training and prediction."""
    torch.set_num_threads(1)
    corpus = CORPUS / dataset
    tagger = Tagger(str(WITH_VECTORS), str(corpus / "train"), str(corpus / "dev"), str(vectors))
    ner: Any = tagger.nlp.get_pipe("ner")
    watch = watch_over(ner)
    batches = list(tagger.settings["batcher"](tagger.examples))[:BATCHES]

    def train() -> None:
        for batch in batches:
            tagger.update(batch)

    def predict() -> None:
        tagger.tag(tagger.tokenised()[:PREDICTED])

    percent = {}
    for what, function in (("training", train), ("prediction", predict)):
        function()
        found = [watch.run(function) for _ in range(rounds)]
        parts = sorted(found[0], key=lambda part: -found[0][part])
        percent[what] = {
            part: timing.spread([shares.get(part, 0.0) for shares in found]) for part in parts
        }
        print(what, {part: round(share["median"], 1) for part, share in percent[what].items()})
    about = {"dataset": dataset, "n_tags": len(ner.tags), "threads": 1}
    versions = machine("spacy", "thinc", "torch")
    write(results_of("speed") / "profile.json", {**about, **versions, "percent": percent})


def table() -> str:
    """Make the table of where the time goes, in percent."""
    result = read("speed", "profile")
    training, prediction = (result["percent"][what] for what in ("training", "prediction"))
    rows = [["part", "training, %", "prediction, %"]]
    for part in {**training, **prediction}:
        shares = [of.get(part, {"median": 0.0})["median"] for of in (training, prediction)]
        rows.append([part, *(f"{share:.1f}" for share in shares)])
    return tables.markdown(*rows) + tables.measured([result], f"Data: {result['dataset']}.")


TABLES = {"profile": table}

if __name__ == "__main__":
    command.run(main)
