"""Learning curves: answers to questions about single entities, against whole sentences.

    python -m spacy project run convert . --vars.dataset ncbi-disease
    python -m benchmarks.questions [--dataset ncbi-disease] [--seed 0 --seed 1] [--steps 1000]

A seed draws 5 % of the sentences, as in `benchmarks.selection`, and a model is trained on them. It
asks which entities of the others are right (`select --spans`). An annotator who is never wrong says
yes or no, and a new model is trained on the 5 % and on the sentences with an answer, of which
nothing else is known. It asks on, and so on for four rounds, each with a question for every ten
sentences of the training part. The config is configs/bilstm_crf.cfg; the model of each round is the
one that is best on dev. One thread. Results go to benchmarks/questions/results/DATASET.json. Curves
that the file has are not run again.

Words are those of all sentences that were annotated or asked about, each counted once. To annotate
a sentence counts as an answer for each of its entities, and one that it has no more.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, NamedTuple

import spacy
import typer
from spacy.tokens import Doc
from spacy.tokens import Span as SpacySpan

from benchmarks.harness import command, tables
from benchmarks.harness.paths import VECTORS, results_of, temporary_folder
from benchmarks.harness.results import Results, Run, grouped, read, read_all, summary
from benchmarks.selection import DATASETS, SHARES, Pool, run, texts_of
from spacy_bilstm_crf.data.formats.docs import PREDICTIONS
from spacy_bilstm_crf.data.formats.settings import DocSettings
from spacy_bilstm_crf.workflows import select

ROUNDS = 4
SENTENCES_A_QUESTION = 10
KEY = DocSettings().incorrect_spans_key
SETTINGS = {"components.ner.incorrect_spans_key": KEY}

Span = tuple[int, int, str]


class Answers(NamedTuple):
    """What an annotator has said of the entities of a sentence."""

    right: set[Span]
    wrong: set[Span]

    def annotated(self, doc: Doc) -> Doc:
        """Return a sentence of which nothing else is known."""
        known = Doc(
            doc.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc]
        )
        ents = [_span_of(known, span) for span in self.right]
        known.set_ents(ents, default="missing")
        known.spans[KEY] = [_span_of(known, span) for span in self.wrong]
        return known


def _span_of(doc: Doc, span: Span) -> SpacySpan:
    start, end, label = span
    return SpacySpan(doc, start, end, label=label)


def ask(
    model: Path, docs: Sequence[Doc], answers: dict[int, Answers], n: int
) -> dict[int, Answers]:
    """Ask about entities of sentences, and return all answers.

    Args:
        model: The pipeline that asks.
        docs: The sentences, with the annotation that the answers come from.
        answers: Those that there are, by the place of the sentence.
        n: The number of questions.
    """
    known = [of_doc.annotated(docs[place]) for place, of_doc in answers.items()]
    found = select(spacy.load(model), texts_of(docs), n, spans=True, exclude=known)
    more = {place: Answers(set(each.right), set(each.wrong)) for place, each in answers.items()}
    for question in found.suggestions:
        (span,) = question.doc.spans[PREDICTIONS]
        about = (span.start, span.end, span.label_)
        of_doc = more.setdefault(question.place, Answers(set(), set()))
        gold = {(ent.start, ent.end, ent.label_) for ent in docs[question.place].ents}
        (of_doc.right if about in gold else of_doc.wrong).add(about)
    return more


def run_curve(file: Results, dataset: str, seed: int, steps: int, vectors: Path) -> None:
    """Run the rounds of a seed."""
    rounds = range(ROUNDS + 1)
    if all(file.has(seed, n) for n in rounds):
        return
    pool = Pool(dataset, seed)
    start = pool.more("random", [], SHARES[0], Path())
    annotated = pool.at(start)
    docs = pool.at(place for place in pool.order if place not in set(start))
    n_questions = round(len(pool.docs) / SENTENCES_A_QUESTION)
    answers: dict[int, Answers] = {}
    n_marked = len(annotated) + sum(len(doc.ents) for doc in annotated)
    with temporary_folder(f"questions-{dataset}-") as folder:
        for n in rounds:
            if n:
                answers = ask(folder / f"{n - 1}" / "model-best", docs, answers, n_questions)
            partial = [of_doc.annotated(docs[place]) for place, of_doc in answers.items()]
            out = folder / f"{n}"
            done = run(pool, annotated + partial, seed, steps, vectors, out, SETTINGS)
            n_right = sum(len(of_doc.right) for of_doc in answers.values())
            n_wrong = sum(len(of_doc.wrong) for of_doc in answers.values())
            counts = {"accepted": n_right, "rejected": n_wrong}
            file.record((seed, n), {**done, **counts, "answers": n_marked + n_right + n_wrong})


def main(
    datasets: Annotated[
        list[str], typer.Option("--dataset", **command.one_of(DATASETS))
    ] = DATASETS,
    seeds: command.Seeds = command.ALL_SEEDS,
    steps: command.Steps = 1000,
    vectors: command.Vectors = VECTORS,
) -> None:
    """Run the curves that the files lack."""
    for seed, dataset in product(seeds, datasets):
        settings = {"dataset": dataset, "steps": steps, "vectors": vectors.name}
        file = Results(results_of("questions") / f"{dataset}.json", settings, ["seed", "round"])
        run_curve(file, dataset, seed, steps, vectors)


def table() -> str:
    """Make the table of the rounds, and of whole sentences with about as many words or answers."""
    rows = [["data", "annotated", "thousand words", "answers", "dev F", "test F"]]
    results = read_all("questions")
    for result in results:
        dataset = result["dataset"]
        for (n,), runs in sorted(grouped(result["runs"], "round").items()):
            how = f"questions, round {n}" if n else f"{SHARES[0]} % of the sentences"
            rows.append([dataset, how, *_cells(runs)])
        sentences = grouped(read("selection", dataset)["runs"], "strategy", "share")
        for strategy, share in product(("random", "diverse"), SHARES[1:]):
            runs = [
                {**each, "answers": each["sentences"] + each["entities"]}
                for each in sentences[strategy, share]
            ]
            rows.append([dataset, f"{share} %, `{strategy}`", *_cells(runs)])
    return tables.markdown(*rows) + tables.measured(results)


def _cells(runs: Sequence[Run]) -> list[str]:
    words, answers = (summary([run[name] for run in runs])["mean"] for name in ("words", "answers"))
    scores = [
        tables.with_seeds(summary([run[name] for run in runs]), len(runs))
        for name in ("dev_f", "test_f")
    ]
    return [f"{words / 1000:.0f}", f"{answers:,.0f}", *scores]


TABLES = {"questions": table}

if __name__ == "__main__":
    command.run(main)
