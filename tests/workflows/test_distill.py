"""`distill` from Python: a loaded teacher, texts and docs at hand."""

import pytest
import spacy
from spacy.cli._util import parse_config_overrides

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows import distill
from tests.helpers import CONFIG, SMALL_TRAINING, examples_for, trained_nlp

TEXTS = ["Who is Shaka Khan?", "I like London and Berlin.", "Who is Ada?"] * 5
SHORT = parse_config_overrides([*SMALL_TRAINING, "--training.max_steps=20"])


@pytest.fixture(scope="module")
def teacher():
    return trained_nlp()


@pytest.fixture
def dev():
    return [eg.reference for eg in examples_for(spacy.blank("en"))]


def test_a_loaded_teacher_texts_and_docs(teacher, dev, tmp_path, capsys):
    said = []
    arguments = {"labelled": dev, "dev": dev, "overrides": SHORT}
    student = distill(teacher, TEXTS, CONFIG, tmp_path, **arguments)
    assert capsys.readouterr().out == ""
    assert spacy.load(student).get_pipe("ner").labels == ("PERSON", "LOC")
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("soft-labels/*.spacy")}
    # A teacher that has seen other texts meanwhile is still the same
    teacher("Something else about Zanzibar.")
    docs = [teacher.make_doc(text) for text in TEXTS]
    distill(teacher, docs, CONFIG, tmp_path, on_progress=said.append, **arguments)
    n_texts, student = said
    assert n_texts == "15 texts"
    assert student.startswith("The student finds no entity of the development data")
    assert {path: path.stat().st_mtime_ns for path in written} == written


@pytest.mark.parametrize(
    "texts, arguments, message",
    [
        ([" "], {}, "There is no text"),
        (TEXTS, {"dev": []}, "no entity in any of them"),
        (TEXTS, {"temperature": 0}, "temperature 0: it must be above 0"),
    ],
)
def test_arguments_that_can_not_be(texts, arguments, message, teacher, dev, tmp_path):
    arguments = {"dev": dev, "overrides": SHORT, **arguments}
    with pytest.raises(UserError, match=message):
        distill(teacher, texts, CONFIG, tmp_path, **arguments)


@pytest.mark.parametrize("entities", [False, True])
def test_a_teacher_without_components(entities, dev, tmp_path):
    with pytest.raises(UserError, match="The teacher has no components"):
        arguments = {"dev": dev, "overrides": SHORT, "entities": entities}
        distill(spacy.blank("en"), TEXTS, CONFIG, tmp_path, **arguments)


def test_rejected_spans_are_not_lost_in_silence(teacher, dev, tmp_path):
    dev[0].spans["incorrect_spans"] = [dev[0][0:1]]
    said = []
    arguments = {"labelled": dev, "dev": dev, "overrides": SHORT, "on_progress": said.append}
    distill(teacher, TEXTS, CONFIG, tmp_path, **arguments)
    assert "1 rejected spans" in said[0] and "set --components.ner.incorrect_spans_key" in said[0]
