"""The one annotator: what it finds, and that `annotate` and the service find the same."""

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.texts import Text
from spacy_bilstm_crf.inference.annotated_text import FailedText
from spacy_bilstm_crf.inference.annotator import Annotator, RequestSettings
from spacy_bilstm_crf.inference.batch import AnnotatorSettings, TableAnnotator
from spacy_bilstm_crf.inference.offsets import OffsetMapping
from tests.approx import alike
from tests.helpers import examples_for, make_nlp, train, trained_nlp
from tests.inference.service.service import running

TEXTS = [
    "Who is Shaka Khan?",
    "I like London and Berlin.",
    "",
    "\U0001f600 I like London and \U0001f600 Berlin.",
    "Shaka Khan likes Berlin, London and Shaka Khan.\r\n\r\nWho is Berlin?",
]
LONG = " ".join(["word"] * 30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "model"
    trained_nlp().to_disk(path)
    return path


def with_settings(folder, **settings):
    return spacy.load(folder, config={"components": {"ner": settings}})


def of_one(folder):
    return spacy.load(folder)


def without_scores(folder):
    """With a threshold and a `spans_key` where candidates are by default."""
    return with_settings(folder, entity_scores=False, spans_key="candidates", threshold=0.3)


def of_two(folder):
    """Two recognizers that keep candidates under the same key."""
    nlp = spacy.load(folder)
    nlp.add_pipe("ner", name="second", source=spacy.load(folder), before="ner")
    nlp.get_pipe("second").threshold = 0.99
    return nlp


def with_merged_tokens(folder):
    nlp = spacy.load(folder)
    nlp.add_pipe("merge_entities")
    return nlp


@Language.component("split_first_tokens")
def split_first_tokens(doc):
    if len(doc) and len(doc[0]) > 1:
        token = doc[0]
        with doc.retokenize() as retokenizer:
            orths = [token.text[0], token.text[1:]]
            retokenizer.split(token, orths, heads=[(token, 1), (token, 1)])
    return doc


def with_split_tokens(folder):
    """As many tokens as before where an entity of two is merged and another token is split."""
    nlp = with_merged_tokens(folder)
    nlp.add_pipe("split_first_tokens")
    return nlp


def with_merger(folder):
    """A merger that reads the candidates of two recognizers."""
    nlp = spacy.load(folder)
    nlp.add_pipe("ner", name="second", source=spacy.load(folder), before="ner")
    for name in ("second", "ner"):
        ner = nlp.get_pipe(name)
        ner.candidates_key, ner.candidates_threshold = name, 0.01
    sources = {"second": {"weight": 0.5}, "ner": {"weight": 0.5}}
    nlp.add_pipe("entity_merger", config={"sources": sources, "threshold": 0.4})
    return nlp


def of_rules(folder):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "London"}])
    return nlp


PIPELINES = [of_one, without_scores, of_two, with_merged_tokens, with_split_tokens, with_merger]


@pytest.mark.parametrize("candidates", [None, 0.001])
@pytest.mark.parametrize("make", [*PIPELINES, of_rules])
def test_annotate_and_the_service_find_the_same(make, candidates, folder, tmp_path):
    if make is of_rules and candidates is not None:
        pytest.skip("rules have no candidates")
    make(folder).to_disk(tmp_path)
    table = pa.table({"id": [str(i) for i in range(len(TEXTS))], "text": TEXTS})
    settings = AnnotatorSettings(str(tmp_path), candidates=candidates, batch_size=2)
    rows = TableAnnotator(settings)(table).to_pylist()
    assert [row["error"] for row in rows] == [None] * len(TEXTS)
    wanted = {} if candidates is None else {"candidates": candidates}
    with running(spacy.load(tmp_path)) as client:
        response = client.post("/annotate", json={"texts": TEXTS, **wanted})
    assert response.status_code == 200, response.text
    results = response.json()["results"]
    assert any(result["entities"] for result in results)
    for row, result in zip(rows, results, strict=True):
        for key in ["entities"] + ["candidates"] * (candidates is not None):
            assert row[key] == alike(result[key])


@pytest.mark.parametrize("make", PIPELINES)
def test_settings_are_restored_and_entities_are_those_of_the_pipeline(make, folder):
    nlp = make(folder)
    annotator = Annotator(nlp)
    before = [dict(ner.cfg) for ner in annotator.components]
    annotator(TEXTS, RequestSettings(0.0, own_threshold=False, candidates=0.0))
    assert [ner.cfg for ner in annotator.components] == before
    found = annotator(TEXTS)
    assert [ner.cfg for ner in annotator.components] == before
    for text, annotation in zip(TEXTS, found, strict=True):
        doc = nlp(text)
        assert [(e["start"], e["end"], e["label"]) for e in annotation.entities] == [
            (ent.start_char, ent.end_char, ent.label_) for ent in doc.ents
        ]
        assert all(e["confidence"] is not None for e in annotation.entities)
        assert annotation.n_tokens == len(doc)


def test_candidates_are_those_of_all_components(folder, tmp_path):
    nlp = of_two(folder)
    for ner in nlp.get_pipe("ner"), nlp.get_pipe("second"):
        ner.threshold = 1.0  # so that neither finds an entity where the other has one
    nlp.to_disk(tmp_path)
    settings = AnnotatorSettings(str(tmp_path), candidates=0.5)
    table = pa.table({"id": ["a"], "text": TEXTS[1:2]})
    (row,) = TableAnnotator(settings)(table).to_pylist()
    assert [e["text"] for e in row["candidates"]] == ["London", "London", "Berlin", "Berlin"]
    assert row["entities"] == []


@pytest.mark.parametrize("make", PIPELINES)
def test_a_candidate_is_where_it_says(make, folder):
    for text, found in zip(TEXTS, Annotator(make(folder))(TEXTS, RequestSettings(candidates=1e-4))):
        for entity in [*found.entities, *found.candidates]:
            assert text[entity["start"] : entity["end"]] == entity["text"]
        entities, candidates = (
            {(e["start"], e["end"], e["label"]) for e in some}
            for some in (found.entities, found.candidates)
        )
        assert entities <= candidates


@pytest.mark.parametrize("make", [with_merged_tokens, with_split_tokens])
def test_tag_sequences_are_those_before_tokens_are_merged_or_split(make, folder):
    settings = RequestSettings(candidates=0.01, k_best=3)
    for one, other in zip(
        Annotator(make(folder))(TEXTS, settings), Annotator(of_one(folder))(TEXTS, settings)
    ):
        assert one.k_best == other.k_best
        assert one.candidates == other.candidates
        assert one.entities == other.entities


class WhiteSpaceTokenizer:
    """Knows of words, and puts one blank between any two, as spaCy's does for Korean."""

    def __init__(self, vocab, of_words=str.split):
        self.vocab, self.of_words = vocab, of_words

    def __call__(self, text):
        return Doc(self.vocab, words=self.of_words(text))


def test_offsets_are_those_of_the_text_that_was_given(folder):
    nlp = with_merged_tokens(folder)
    nlp.tokenizer = WhiteSpaceTokenizer(nlp.vocab)
    texts = ["\n\n  I   like London\tand Berlin  .", "I like London and Berlin ."]
    settings = RequestSettings(candidates=0.01, k_best=2)
    changed, plain = Annotator(nlp)(texts, settings)
    for text, found in zip(texts, (changed, plain)):
        assert [e["text"] for e in found.entities] == ["London", "Berlin"]
        likely = [entity for sequence in found.k_best for entity in sequence["entities"]]
        for entity in [*found.entities, *found.candidates, *likely]:
            assert text[entity["start"] : entity["end"]] == entity["text"]
    assert len(changed.candidates) == len(plain.candidates)


def test_a_tokenizer_that_changes_more_is_said(folder):
    nlp = of_one(folder)
    nlp.tokenizer = WhiteSpaceTokenizer(nlp.vocab, lambda text: ["[CLS]", *text.split()])
    (failed,) = Annotator(nlp)(["I like London"])
    assert isinstance(failed, FailedText)
    assert "The tokenizer changed the text" in failed.reason and "'[CLS] I like" in failed.reason


@pytest.mark.parametrize(
    "doc_text, given, span, expected",
    [
        ("a b", "a b", (2, 3), (2, 3)),
        ("a b c ", " a\n\nb  c", (0, 3), (1, 5)),
        ("a b c ", " a\n\nb  c", (4, 6), (7, 8)),
        ("a  b", "ab", (0, 4), (0, 2)),
        ("", "  ", None, None),
    ],
)
def test_places_in_the_text_that_was_given(doc_text, given, span, expected):
    offsets = OffsetMapping(doc_text, given)
    if span is not None:
        assert offsets(*span) == expected
        with pytest.raises(ValueError, match="white space"):
            OffsetMapping("a  b", "a b")(1, 3)


@pytest.fixture(scope="module")
def of_long_entities():
    nlp = make_nlp(labels=("LONG",))
    train(nlp, examples_for(nlp, [(LONG, {"entities": [(0, len(LONG), "LONG")]})]))
    return nlp


def test_a_candidate_may_be_long(of_long_entities, tmp_path):
    of_long_entities.to_disk(tmp_path)
    settings = AnnotatorSettings(str(tmp_path), candidates=0.5)
    (row,) = TableAnnotator(settings)(pa.table({"id": ["a"], "text": [LONG]})).to_pylist()
    assert (0, len(LONG)) in [(e["start"], e["end"]) for e in row["candidates"]]


def test_k_best_sequences(folder):
    nlp = spacy.load(folder)
    (found,) = Annotator(nlp)(TEXTS[1:2], RequestSettings(k_best=3))
    expected = nlp.get_pipe("ner").k_best(nlp(TEXTS[1]), 3)
    for sequence, (entities, probability) in zip(found.k_best, expected, strict=True):
        assert sequence["probability"] == pytest.approx(probability, abs=1e-5)
        assert [e["text"] for e in sequence["entities"]] == [e.text for e in entities]
        assert all(e["confidence"] is None for e in sequence["entities"])


def of_samples(annotations):
    return [annotation.samples for annotation in annotations]


@pytest.mark.parametrize("make", [of_one, with_merged_tokens, with_split_tokens])
def test_samples_are_those_of_the_component(make, folder):
    nlp = unsure(make(folder))
    texts = [Text(text, id=str(i)) for i, text in enumerate(TEXTS)]
    settings = RequestSettings(samples=300, seed=3)
    found = Annotator(nlp)(texts, settings)
    for text, annotation in zip(texts, found, strict=True):
        candidates = Annotator(nlp)([text], RequestSettings(candidates=1e-6))[0].candidates
        expected = math.fsum(e["confidence"] for e in candidates)
        sizes = [len(entities) for entities in annotation.samples]
        assert len(sizes) == 300
        assert abs(np.mean(sizes) - expected) <= 5 * np.std(sizes) / math.sqrt(300) + 1e-4
        for entity in itertools.chain.from_iterable(annotation.samples):
            assert text.text[entity["start"] : entity["end"]] == entity["text"]
            assert entity["confidence"] is None
    # Beside all else, alone, in another order
    others = Annotator(nlp)(texts[::-1], settings._replace(candidates=0.1, k_best=2))
    assert of_samples(found) == of_samples(others[::-1])
    alone = [Annotator(nlp)([text], settings)[0] for text in texts]
    assert of_samples(found) == of_samples(alone)


def unsure(nlp):
    """Divide all scores by five, so that samples differ."""
    nlp.get_pipe("ner").cfg["temperature"] = 5.0
    return nlp


def test_samples_of_a_text_depend_on_text_id_and_seed(folder):
    annotate, text = Annotator(unsure(of_one(folder))), TEXTS[1]

    def drawn(text, seed=0):
        return of_samples(annotate([text], RequestSettings(samples=30, seed=seed)))

    first = drawn(Text(text, id="a"))
    assert first == drawn(Text(text, id="a"))
    for other in (drawn(Text(text, id="b")), drawn(text), drawn(Text(text, id="a"), seed=-1)):
        assert other != first
    assert of_samples(annotate([text])) == [None]


def test_a_pipeline_with_several_components_has_no_samples(folder):
    with pytest.raises(UserError, match=r"exactly one .* component\. It has: second, ner\."):
        Annotator(of_two(folder))(TEXTS, RequestSettings(samples=3))
    with pytest.raises(UserError, match=r"It has: none\."):
        Annotator(of_rules(folder))(TEXTS, RequestSettings(samples=3))


@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_text_that_fails_leaves_the_others(n):
    calls = []

    def stumbles(doc):
        calls.append(doc.text)
        if "stumble" in doc.text:
            raise RuntimeError(f"over {doc.text}")
        return doc

    nlp = of_rules(None)
    spacy.Language.component("test_stumbles_in_annotator", func=stumbles)
    nlp.add_pipe("test_stumbles_in_annotator")
    nlp.max_length = 100
    texts = [*["in London"] * n, "stumble", "long " * 30, *["in London"] * n]
    found = Annotator(nlp)(texts)
    assert [len(f.entities) for f in (*found[:n], *found[n + 2 :])] == [1] * 2 * n
    failed, too_long = found[n : n + 2]
    assert isinstance(failed, FailedText) and isinstance(too_long, FailedText)
    assert (failed.kind, failed.reason) == ("RuntimeError", "RuntimeError: over stumble")
    # What the service tells does not quote the text
    assert "test_annotator.py" in failed.place[-1] and "over" not in " ".join(failed.place)
    assert too_long.reason == "The text has 150 characters, and max_length is 100."
    assert "long " * 30 not in calls


def test_words_of_a_text_are_its_tokens():
    words = ["Ada", ":-", ")", "don't"]  # which the tokenizer cuts elsewhere
    text = Doc(spacy.blank("en").vocab, words=words).text
    nlp = of_rules(None)
    as_they_are, cut = Annotator(nlp)([Text(text, words=words), Text(text)])
    assert (as_they_are.n_tokens, cut.n_tokens) == (4, len(nlp(text)))
    assert cut.n_tokens != 4
