"""Commands on pipelines whose other components fail, change tokens or read what ours writes."""

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import DummyTokenizer

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.inference.annotator import Annotator, RequestSettings
from spacy_bilstm_crf.workflows import calibrate, distill, report, select, update
from tests.helpers import CONFIG, SMALL_MODEL, TRAIN_DATA, entities, examples_for, trained_nlp

SMALL = {"model": SMALL_MODEL}
TEXTS = [text for text, _ in TRAIN_DATA]


@Language.component("raises_key_error")
def raises_key_error(doc):
    raise KeyError("no such thing")


@Language.component("clears_spans")
def clears_spans(doc):
    doc.spans.clear()
    return doc


@Language.component("finds_parts_of_words")
def finds_parts_of_words(doc):
    """Split a word, and make an entity of each part."""
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[2], ["Lon", "don"], heads=[(doc[2], 0), (doc[2], 0)])
    doc.set_ents([Span(doc, 2, 3, "LOC"), Span(doc, 3, 4, "PERSON")])
    return doc


class AddingTokenizer(DummyTokenizer):
    """Puts a mark before the words of a text."""

    def __init__(self, vocab):
        self.vocab = vocab

    def __call__(self, text):
        return Doc(self.vocab, words=["[CLS]", *text.split()])


@pytest.fixture(scope="module")
def trained():
    return trained_nlp().to_bytes()


@pytest.fixture
def nlp(trained):
    return trained_nlp_of(trained)


def trained_nlp_of(trained):
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_crf_ner", name="ner", config=SMALL)
    return nlp.from_bytes(trained)


@pytest.fixture
def docs():
    return [example.reference for example in examples_for(spacy.blank("en"))]


def taught(nlp, docs, folder):
    return distill(nlp, TEXTS, CONFIG, folder, dev=docs, labelled=docs, entities=True)


COMMANDS = {
    "report": lambda nlp, docs, folder: report(nlp, docs),
    "calibrate": lambda nlp, docs, folder: calibrate(nlp, docs),
    "select": lambda nlp, docs, folder: select(nlp, TEXTS),
    "update": lambda nlp, docs, folder: update(nlp, docs, max_steps=1),
    "distill": taught,
}


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_component_that_fails_is_named_in_one_line(command, place, nlp, docs, tmp_path):
    nlp.add_pipe("raises_key_error", name="mine", **{place: "ner"})
    message = "^The pipeline's component 'mine' fails: KeyError: 'no such thing'$"
    with pytest.raises(UserError, match=message):
        COMMANDS[command](nlp, docs, tmp_path)


@pytest.mark.parametrize("command", ["select", "distill"])
def test_texts_that_the_tokenizer_changes_are_not_handed_on(command, nlp, docs, tmp_path):
    nlp.tokenizer = AddingTokenizer(nlp.vocab)
    with pytest.raises(UserError, match=r"changes texts: it makes \['\[CLS\]', 'Who'"):
        COMMANDS[command](nlp, docs, tmp_path)


def test_a_report_of_merged_tokens(nlp, docs):
    nlp.get_pipe("ner").spans_key = "found"  # whose tokens are no more when others are merged
    nlp.add_pipe("merge_entities")
    numbers = report(nlp, docs).numbers
    assert numbers["overall"]["f"]["value"] == 1.0
    assert numbers["probabilities"] is not None


@pytest.mark.parametrize("recall", [None, 0.5])
def test_a_calibration_after_merged_tokens(recall, nlp, trained):
    """Of candidates beyond the end of a doc, which spaCy can't copy then."""
    first = trained_nlp_of(trained)
    first.get_pipe("ner").candidates_threshold = 0.1
    nlp.add_pipe("ner", source=first, name="first", first=True)
    nlp.add_pipe("merge_entities", after="first")
    docs = [nlp.make_doc(text) for text in ("Who is Shaka Khan", "I like London") * 10]
    for doc in docs:
        doc.set_ents([Span(doc, 2, len(doc), "PERSON" if len(doc) == 4 else "LOC")])
    assert len(calibrate(nlp, docs, recall=recall).labels) == 2


@pytest.mark.parametrize("least", [0.9, 0.0001])
def test_a_request_for_candidates_leaves_a_merger_what_it_had(least, nlp, trained):
    nlp.get_pipe("ner").candidates_threshold = {"LOC": 0.05}
    nlp.get_pipe("ner").candidates_max_length = 1
    nlp.add_pipe(
        "entity_merger", config={"sources": {"candidates": {"weight": 0.5}}}
    ).threshold = 0.1
    expected = [entities(doc) for doc in nlp.pipe(TEXTS)]
    alone = Annotator(trained_nlp_of(trained))(TEXTS, RequestSettings(candidates=least))
    found = Annotator(nlp)(TEXTS, RequestSettings(candidates=least))
    assert [[(e["text"], e["label"]) for e in of.entities] for of in found] == expected
    assert expected == [[], [("London", "LOC"), ("Berlin", "LOC")]]
    assert [of.candidates for of in found] == [of.candidates for of in alone]
    assert nlp.get_pipe("ner").candidates_threshold == {"LOC": 0.05}


def test_candidates_are_kept_when_a_component_clears_them(nlp, trained):
    alone = Annotator(trained_nlp_of(trained))(TEXTS, RequestSettings(candidates=0.01))
    nlp.add_pipe("clears_spans")
    assert Annotator(nlp)(TEXTS, RequestSettings(candidates=0.01)) == alone


def test_entities_of_parts_of_a_word_are_one_suggestion(nlp, tmp_path):
    nlp.add_pipe("finds_parts_of_words")
    found = select(nlp, TEXTS[1:])
    found.to_disk(tmp_path / "out.conll", target="conll")
    assert (tmp_path / "out.conll").read_text().count("B-") == 1
