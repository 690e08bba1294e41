"""Save what a release saves for its users: a pipeline, a package, a config, docs, soft labels.

    git worktree add /tmp/release vX.Y.Z && cd /tmp/release && make install && cd -
    OMP_NUM_THREADS=1 /tmp/release/.venv/bin/python tests/compatibility/make.py \
        tests/compatibility/X.Y.Z

`test_saved.py` then loads it with the current code, and expects what the release itself found in
`TEXTS`. Runs with the release's own Python, so it imports nothing of the tests, and of the package
only its public commands. The pipelines are tiny, and what they find need not make sense.
"""

import inspect
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

import spacy
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import fix_random_seed
from typer.main import get_command

import spacy_bilstm_crf
from spacy_bilstm_crf.cli import bilstm_crf_cli

LABELS = ["LOC", "ORG", "PERSON"]
PEOPLE = ["Ada Byron", "Mary", "Li Wei", "Kurt G. Weiss"]
PLACES = ["Oslo", "New Delhi", "Rio", "Lake Como"]
COMPANIES = ["Acme", "Initech Ltd", "Umbrella", "Blue Sun"]
TEXTS = [
    "Ada Byron met Mary in Oslo. She left Acme in 1987.",
    "Kurt G. Weiss of Initech Ltd flew to Rio",
    "In New Delhi , Li Wei and Qwghlm bought Blue Sun .",
    "nothing here",
    "Umbrella moved from Lake Como to Oslo, and Oslo paid.",
]
TINY_WORDS = {"width": 4, "char_width": 2, "attr_width": 2}
CNN = {"@architectures": "spacy-bilstm-crf.CharCNNEmbed.v1", "filters": 4, **TINY_WORDS}
LSTM = {"@architectures": "spacy-bilstm-crf.CharBiLSTMEmbed.v1", "char_hidden": 4, **TINY_WORDS}


def examples(nlp):
    """Annotated sentences, the same in each run."""
    found = []
    for i in range(16):
        person, place, company = PEOPLE[i % 4], PLACES[(i // 2) % 4], COMPANIES[(i // 3) % 4]
        pieces = [
            [(person, "PERSON"), (" works for ", None), (company, "ORG"), (" in ", None)],
            [(company, "ORG"), (" sent ", None), (person, "PERSON"), (" to ", None)],
        ][i % 2]
        text, entities = "", []
        for words, label in [*pieces, (place, "LOC"), (" .", None)]:
            if label is not None:
                entities.append((len(text), len(text) + len(words), label))
            text += words
        found.append(Example.from_dict(nlp.make_doc(text), {"entities": entities}))
    return found


def bilstm_crf(tok2vec, **settings):
    """The config of a tiny network."""
    return {
        "@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1",
        "hidden_width": 6,
        "tok2vec": tok2vec,
        **settings,
    }


def train(nlp, steps):
    """Train on the examples, without dropout and with large steps."""
    optimizer = nlp.initialize(lambda: examples(nlp))
    optimizer.learn_rate = 0.02
    for _ in range(steps):
        nlp.update(examples(nlp), sgd=optimizer, annotates=["sentencizer"])


def calibrated_pipeline():
    """A recognizer that is calibrated and keeps candidates and scored spans."""
    nlp = spacy.blank("xx")
    settings = {
        "model": bilstm_crf(CNN, window=7, overlap=2),
        "spans_key": "scored",
        "candidates_threshold": {"PERSON": 0.02, "LOC": 0.05},
        "candidates_max_length": 4,
        "incorrect_spans_key": "wrong",
        "entity_ratio": {"rate": 0.4, "margin": 0.2},
    }
    ner = nlp.add_pipe("bilstm_crf_ner", name="ner", config=settings)
    train(nlp, steps=25)
    ner.calibrate(examples(nlp))
    ner.threshold = 0.3  # set later than the config
    return nlp


def merging_pipeline():
    """An ensemble with document context, and a recognizer beside it, merged."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    encoder = {
        "@architectures": "spacy-bilstm-crf.BiLSTMEncoder.v1",
        "hidden_width": 4,
        "embed": LSTM,
        "by_sentence": True,
    }
    context = {"@architectures": "spacy-bilstm-crf.DocumentContext.v1", "tok2vec": encoder}
    members = {
        "*": {
            "first": bilstm_crf(context, depth=0),
            "second": bilstm_crf(context, depth=0, by_sentence=True),
        }
    }
    ensemble = {"@architectures": "spacy-bilstm-crf.Ensemble.v1", **members}
    nlp.add_pipe("bilstm_crf_ner", name="several", config={"model": ensemble})
    nlp.add_pipe("entities_to_spans", config={"spans_key": "several"})
    nlp.add_pipe("bilstm_crf_ner", name="alone", config={"model": bilstm_crf(CNN)})
    sources = {"several": {"weight": 0.6, "labels": {"ORG": 0.5}}}
    merger = {"sources": sources, "ents": {"weight": 0.4}, "threshold": 0.25, "spans_key": "both"}
    nlp.add_pipe("entity_merger", config=merger)
    train(nlp, steps=25)
    return nlp


def spans_of(group):
    """The spans of `doc.ents` or of a group, with their probabilities."""
    return [[span.start, span.end, span.label_, span._.confidence] for span in group]


def found_in(doc):
    """The entities and scored spans of a doc."""
    groups = {key: spans_of(group) for key, group in doc.spans.items()}
    return {"entities": spans_of(doc.ents), "spans": groups}


def names():
    """All that a user's config, script or command line may name of the installed release."""
    installed = distribution("spacy-bilstm-crf")
    arguments = {}
    for entry_point in installed.entry_points:
        if entry_point.group != "spacy_cli":
            parameters = inspect.signature(entry_point.load()).parameters
            arguments[entry_point.name] = sorted(parameters)
    return {
        "entry points": {each.name: each.group for each in installed.entry_points},
        "extras": sorted(installed.metadata.get_all("Provides-Extra")),
        "settings": arguments,
        "commands": sorted(get_command(bilstm_crf_cli).commands),
        "imports": sorted(spacy_bilstm_crf.__all__),
    }


def command(*arguments, cwd):
    """Run a command of spaCy's."""
    subprocess.run([sys.executable, "-m", "spacy", *map(str, arguments)], cwd=cwd, check=True)


def main(output):
    """Write the fixtures of the installed release to a folder."""
    fix_random_seed(0)
    output.mkdir(parents=True)
    nlp, merging = calibrated_pipeline(), merging_pipeline()
    nlp.to_disk(output / "pipeline")
    (output / "component.bytes").write_bytes(nlp.get_pipe("ner").to_bytes())
    docs = [nlp(text) for text in TEXTS]
    DocBin(docs=docs, store_user_data=True).to_disk(output / "docs.spacy")
    ner = nlp.get_pipe("ner")
    expected = {
        "pipeline": [found_in(doc) for doc in docs],
        "package": [found_in(merging(text)) for text in TEXTS],
        "entropy": ner.entropy(map(nlp.make_doc, TEXTS)),
        "k_best": [p for _, p in ner.k_best(nlp.make_doc(TEXTS[0]), 5)],
    }
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        DocBin(docs=[eg.reference for eg in examples(nlp)]).to_disk(work / "train.spacy")
        (work / "texts.txt").write_text("\n".join(TEXTS) + "\n")
        data = ("--train", "train.spacy", "--dev", "train.spacy")
        command("bilstm-crf", "init-config", "config.cfg", *data, "--lang", "xx", cwd=work)
        merging.to_disk(work / "merging")
        options = ("--name", "fixture", "--build", "wheel")
        command("package", "merging", ".", *options, cwd=work)
        teacher = ("bilstm-crf", "distill", output.resolve() / "pipeline", "texts.txt")
        student = ("config.cfg", "--output", "out", "--training.max_steps", "1")
        command(*teacher, *student, "--dev", "train.spacy", cwd=work)
        shutil.copy(work / "config.cfg", output)
        shutil.copytree(work / "out" / "lessons", output / "soft_labels")
        (wheel,) = work.rglob("*.whl")
        shutil.copy(wheel, output)
    for name, content in (("expected", expected), ("names", names())):
        (output / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(Path(sys.argv[1]))
