"""What commands say where annotation or a change was expected and there was none.

Either an error in one line, or a line that says so: never a line of success alone.
"""

import json
import shutil

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from tests.cli.tuning import DROPOUT_SPACE
from tests.helpers import (
    CONFIG,
    SMALL_TRAINING,
    TRAIN_DATA,
    examples_for,
    make_nlp,
    spacy_command,
    trained_nlp,
)

NO_ENTITY = "no entity in any of them"
OFF_TOKENS = "don't begin and end where tokens of the pipeline do, such as 'London' (LOC)"
SHORT = [*SMALL_TRAINING, "--training.max_steps=10"]
# A file without an entity in each format
NOT_ANNOTATED = {
    "conll": "Ada O\nin O\n\nRome O\n",
    "doccano": '{"text": "Ada in Rome", "label": []}\n',
    "doccano-relations": '{"text": "Ada in Rome", "entities": [], "relations": []}\n',
    "prodigy": '{"text": "Ada in Rome", "spans": [], "answer": "accept"}\n',
    "label-studio": '[{"data": {"text": "Ada in Rome"}, "annotations": [{"result": []}]}]',
    "brat": "Ada in Rome",
}


@pytest.fixture(scope="module")
def place(made_once):
    """A folder of pipelines, texts and data in which there is nothing to find, learn or change."""
    return made_once("nothing", write_all)


def write_all(folder):
    blank = spacy.blank("en")
    nlp = trained_nlp()
    for name in ("model", "copy"):
        nlp.to_disk(folder / name)
    set_threshold = ["set-threshold", folder / "model", "--output", folder / "with-threshold", 0.5]
    spacy_command("bilstm-crf", *set_threshold)
    for word in ("London", "Berlin"):
        nlp.vocab.set_vector(word, np.ones(4, dtype="float32"))
    nlp.to_disk(folder / "with-vectors")
    make_nlp().to_disk(folder / "untrained")
    blank.to_disk(folder / "blank")
    annotated = [example.reference for example in examples_for(blank)]
    unannotated = [blank.make_doc(text) for text, _ in TRAIN_DATA]
    without = [doc.copy() for doc in unannotated]
    for doc in without:
        doc.set_ents([], default="outside")
    off = Doc(blank.vocab, words=["Lon", "don", "ers"], spaces=[False] * 3)
    off.ents = [Span(off, 0, 2, "LOC")]
    data = {
        "train": annotated * 4,
        "once": annotated,
        "without": without,
        "missing": unannotated,
        "empty": [],
        "off": [off] * 2,
        "cities": [in_city(blank, city) for city in ("London", "Berlin", "Rome", "Paris")],
    }
    for name, docs in data.items():
        DocBin(docs=docs).to_disk(folder / f"{name}.spacy")
    texts = {"empty": [], "known": [text for text, _ in TRAIN_DATA], "none": ["the .", "is it ."]}
    for name, of_file in texts.items():
        lines = [json.dumps({"text": text}) for text in of_file]
        (folder / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (folder / "empty.txt").write_text("")
    (folder / "blank.txt").write_text(" \n\n")
    (folder / "patterns.jsonl").write_text("")
    for name, content in NOT_ANNOTATED.items():
        path = folder / f"data.{name}"
        if name == "brat":
            path.mkdir()
            (path / "a.ann").write_text("")
            path = path / "a.txt"
        path.write_text(content)
    (folder / "no-ner.cfg").write_text(blank.config.to_str())
    (folder / "space.cfg").write_text(DROPOUT_SPACE)


def in_city(nlp, city):
    doc = nlp.make_doc(f"She is in {city}.")
    doc.ents = [Span(doc, 3, 4, "LOC")]
    return doc


def converted(name, target, said, exit_code=0):
    return ["convert", "{place}/data." + name, "{out}", "-f", name, "-t", target], exit_code, said


def tuned(train, dev, *more, said, exit_code=1):
    paths = ["--paths.train={place}/" + train, "--paths.dev={place}/" + dev]
    words = ["tune", CONFIG, "{place}/space.cfg", "--output", "{out}", *more]
    return [*words, *paths, *SHORT], exit_code, said


def of_data(command, data, said, *more, exit_code=1):
    """A row of a command that takes a trained pipeline and data."""
    words = [command, "{place}/model", "{place}/" + data, "--output", "{out}", *more]
    return words, exit_code, said


def distilled(teacher, texts, said, *more, dev="train.spacy", exit_code=1):
    words = ["distill", "{place}/" + teacher, "{place}/" + texts, CONFIG, "--output", "{out}"]
    return [*words, "--dev", "{place}/" + dev, *more, *SHORT], exit_code, said


def config_of(train, said, *more, exit_code=1):
    words = ["init-config", "{out}.cfg", "--train", "{place}/" + train, "--lang", "en", *more]
    return words, exit_code, said


ROWS = [
    # What was written has no entity
    *(
        converted(name, target, "1 doc, 0 entities")
        for name in NOT_ANNOTATED
        if name != "conll"
        for target in ("spacy", "prodigy")
    ),
    converted("conll", "spacy", NO_ENTITY, exit_code=1),
    *(
        (["convert", "{place}/" + name, "{out}", "-f", "spacy", "-t", "prodigy"], code, said)
        for name, code, said in (
            ("without.spacy", 0, "2 docs, 0 entities"),
            ("missing.spacy", 0, "2 docs, 0 entities"),
            ("empty.spacy", 1, "contains no documents"),
        )
    ),
    # No entities to choose settings by
    *(config_of(f"{name}.spacy", NO_ENTITY) for name in ("without", "missing", "empty")),
    config_of("off.spacy", "They can't be learned"),
    config_of("once.spacy", NO_ENTITY, "--dev", "{place}/without.spacy"),
    config_of("once.spacy", "has no patterns", "--patterns", "{place}/patterns.jsonl"),
    config_of(
        "once.spacy",
        "All 2 training docs are also in the development data",
        *("--dev", "{place}/once.spacy", "--write-clean", "{out}"),
    ),
    config_of(
        "once.spacy",
        "Left out of 2 training docs: 0 that are also in the development data, and 0 exact copies",
        *("--write-clean", "{out}"),
        exit_code=0,
    ),
    # No text, or nothing in it
    *(
        (["annotate", f"{{place}}/{pipeline}", f"{{place}}/{texts}", "{out}", *more], code, said)
        for pipeline, texts, more, code, said in (
            ("model", "empty.jsonl", [], 1, "holds no texts"),
            ("model", "empty.txt", [], 0, "1 rows in 1 files, with 0 entities: "),
            ("model", "blank.txt", [], 0, "Nothing was found"),
            ("model", "none.jsonl", [], 0, "2 rows in 1 files, with 0 entities: "),
            ("model", "none.jsonl", ["--to", "jsonl"], 0, "Nothing was found"),
            ("model", "none.jsonl", ["--candidates", 1], 0, "0 entities and 0 candidates"),
            ("model", "none.jsonl", ["-t", "jsonl", "--candidates", 1], 0, "and 0 candidates"),
            ("blank", "known.jsonl", [], 1, "blank has no components, so it finds nothing"),
        )
    ),
    (["serve", "{place}/blank", "--port", 0], 1, "blank has no components, so it finds nothing"),
    of_data("select", "empty.jsonl", "contains no text"),
    of_data("select", "blank.txt", "contains no text"),
    of_data(
        "select", "known.jsonl", "only texts that are excluded", "--exclude", "{place}/once.spacy"
    ),
    of_data("select", "none.jsonl", "No entity was found in these documents", exit_code=0),
    # Nothing to score, to fit or to learn
    *(
        of_data(command, f"{name}.spacy", NO_ENTITY)
        for command in ("report", "calibrate", "update")
        for name in ("without", "missing", "empty")
    ),
    of_data("calibrate", "without.spacy", NO_ENTITY, "--recall", 0.5),
    of_data("calibrate", "off.spacy", OFF_TOKENS),
    of_data(
        "calibrate", "off.spacy", "is more than the model can reach", "--recall", 0.5, exit_code=0
    ),
    of_data("update", "off.spacy", OFF_TOKENS),
    of_data("update", "train.spacy", "there was nothing to learn", "--max-steps", 1, exit_code=0),
    (
        ["report", "{place}/untrained", "{place}/train.spacy", "--output", "{out}"],
        0,
        "No entity was found in 8 docs",
    ),
    # Nothing changes
    (
        ["set-threshold", "{place}/with-threshold", "--output", "{out}", 0.5],
        0,
        "has this threshold already",
    ),
    (["shrink", "{place}/model", "{out}"], 1, "there is nothing to shrink"),
    *(
        (["shrink", "{place}/with-vectors", "{out}", "--dtype", "float32", *more], 1, "already")
        for more in ([], ["--keep-words", 1000])
    ),
    (["ensemble", "{place}/model", "--output", "{out}"], 1, "at least two pipelines"),
    (["ensemble", "{place}/model", "{place}/model", "--output", "{out}"], 1, "named twice"),
    (["ensemble", "{place}/model", "{place}/copy", "--output", "{out}"], 1, "has the same weights"),
    (["replace-ner", "{place}/no-ner.cfg", "{out}.cfg"], 1, "no ner or beam_ner"),
    (["replace-ner", CONFIG, "{out}.cfg"], 1, "no ner or beam_ner"),
    (["copy-config", "no-such", "{out}.cfg"], 1, "must be one of"),
    # Nothing is suspect, taught or tried
    *(
        (["audit", CONFIG, "{place}/" + name, "--output", "{out}", "--folds", 0], code, said)
        for name, code, said in (
            ("without.spacy", 1, NO_ENTITY),
            ("off.spacy", 0, "Problems of the data: 3."),
        )
    ),
    (
        [
            "audit",
            CONFIG,
            "{place}/cities.spacy",
            "--output",
            "{out}",
            "-k",
            2,
            "--least",
            1,
            *SHORT,
        ],
        0,
        "Suspects: 0 of 4 annotated entities, and 0 places without annotation",
    ),
    distilled("model", "empty.txt", "There is no text"),
    distilled("model", "blank.txt", "There is no text"),
    distilled("blank", "known.jsonl", "has no components, so it finds nothing"),
    distilled("model", "none.jsonl", "The teacher found no entity", "--entities"),
    distilled("model", "known.jsonl", NO_ENTITY, dev="without.spacy"),
    distilled("model", "none.jsonl", "The student finds no entity", exit_code=0),
    tuned("train.spacy", "train.spacy", "--timeout", 0, said="No trial was run"),
    tuned("without.spacy", "train.spacy", "-n", 1, said="training data have 2 docs, but no entity"),
    tuned("train.spacy", "without.spacy", "-n", 1, said="development data have 2 docs, but no"),
]


@pytest.mark.parametrize(
    "words, exit_code, said",
    [pytest.param(*row, id=f"{number} {row[0][0]}") for number, row in enumerate(ROWS)],
)
def test_nothing_is_not_called_a_success(words, exit_code, said, place, tmp_path):
    places = {"place": place, "out": tmp_path / "out"}
    words = [str(word).format(**places) if "{" in str(word) else str(word) for word in words]
    printed = spacy_command("bilstm-crf", *words, exit_codes=(exit_code,))
    lines = " ".join(printed.split())
    assert said in lines and "Traceback" not in lines
    if exit_code:
        assert sum(line.startswith("Error: ") for line in printed.splitlines()) == 1
        assert "\u2714" not in printed


def test_a_calibration_that_fits_already(place, corpus, tmp_path):
    for before, after in (("model", "once"), ("once", "twice")):
        shutil.copytree(place / "model", tmp_path / "model", dirs_exist_ok=True)
        arguments = ["calibrate", tmp_path / before, corpus, "--output", tmp_path / after]
        printed = spacy_command("bilstm-crf", *arguments)
    assert "The calibration has not changed" in " ".join(printed.split())


def test_a_search_that_finds_nothing(place, tmp_path):
    words, _, _ = tuned("train.spacy", "train.spacy", "-n", 1, said="")
    words = [str(word).format(place=place, out=tmp_path / "out") for word in words]
    words.append("--training.max_steps=1")
    printed = spacy_command("bilstm-crf", *words)
    assert "No trial found an entity of the development data" in printed
