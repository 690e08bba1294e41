"""Audits of entities that overlap: what is a problem, and what models say of each label."""

import json

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_bilstm_crf.data.entity_source import EntitySource
from spacy_bilstm_crf.decoding import outside_probabilities, span_probabilities
from spacy_bilstm_crf.workflows import init_config
from spacy_bilstm_crf.workflows.audit.checks import find_problems
from spacy_bilstm_crf.workflows.audit.held_out import entity_counts, judged
from spacy_bilstm_crf.workflows.audit.page import audit_page
from spacy_bilstm_crf.workflows.audit.suspects import (
    ANNOTATED,
    NOT_ANNOTATED,
    ScoredEntity,
    suspects_by_label,
)
from spacy_bilstm_crf.workflows.cross_validation.folds import Fold
from tests.helpers import spacy_command
from tests.nested import NESTED, NESTED_IN_LABEL, nested_docs, trained_on_spans

NLP = spacy.blank("en")
SPANS = EntitySource("sc")


def annotated(words, *entities, key="sc"):
    doc = Doc(NLP.vocab, words=words)
    doc.spans[key] = [Span(doc, *entity) for entity in entities]
    return doc


def problems_of(*docs, levels=1, where=SPANS):
    examples = [Example(NLP.make_doc(doc.text), doc) for doc in docs]
    found = find_problems({"train": examples}, where, levels)
    return [problem for problem in found if problem.kind != "rare label"]


def test_only_what_can_not_be_learned_is_a_problem():
    words = ["a", "b", "c", "d"]
    doc = annotated(words, (0, 3, "X"), (1, 2, "Y"), (0, 3, "Z"))
    assert problems_of(doc) == []
    assert [problem.kind for problem in problems_of(doc, where=EntitySource())] == [
        *("overlapping", "overlapping")
    ]
    doc = annotated(words, (0, 4, "X"), (0, 1, "X"), (2, 4, "X"), (2, 3, "X"), (0, 1, "Y"))
    found = problems_of(doc)
    assert [(problem.kind, problem.start, problem.end) for problem in found] == [
        *(("overlapping", start, end) for start, end in ((0, 1), (4, 5), (4, 7)))
    ]
    assert "'a' (X) is not learned" in found[0].message and "'a b c d'" in found[0].message
    assert [(problem.start, problem.end) for problem in problems_of(doc, levels=2)] == [(4, 5)]
    assert problems_of(doc, levels=None) == []
    doc = annotated(words, (0, 1, "X"), (0, 1, "Y"), (0, 1, "X"))
    assert [problem.kind for problem in problems_of(doc)] == ["twice"]


def test_the_same_words_with_other_spans():
    words = ["Bank", "of", "England"]
    one = annotated(words, (0, 3, "ORG"), (2, 3, "PLACE"))
    other = annotated(words, (0, 3, "ORG"), (0, 3, "BANK"))
    (problem,) = problems_of(one, one, other)
    assert (problem.kind, problem.doc) == ("annotated differently", 2)
    assert "'Bank of England' (BANK), 'England' (PLACE)" in problem.message
    assert problems_of(one, annotated(words, key="other")) == []


def test_spans_off_tokens_and_rare_labels():
    doc = Doc(NLP.vocab, words=["The", "London", "ers"], spaces=[True, False, False])
    doc.spans["sc"] = [Span(doc, 1, 2, "GPE"), Span(doc, 1, 3, "NORP")]
    examples = [Example(NLP.make_doc(doc.text), doc)]
    found = find_problems({"train": examples}, SPANS, 1)
    assert [problem.kind for problem in found] == ["not on tokens", "rare label", "rare label"]
    assert '<p class="quiet">1 docs with 2 entities.</p>' in audit_page(
        "x", examples, found, None, where=SPANS
    )


def test_suspects_of_each_label():
    gold = [ScoredEntity(0, 9, "A", 0.9, outside=0.1), ScoredEntity(3, 5, "B", 0.2, outside=0.7)]
    found = [
        ScoredEntity(0, 9, "A", 0.9),
        ScoredEntity(2, 5, "B", 0.05),
        ScoredEntity(0, 9, "C", 0.8, inside=0.85),
    ]
    suspects = suspects_by_label(1, gold, found)
    assert [(s.kind, s.entity, s.prefers, round(s.suspicion, 9)) for s in suspects] == [
        (ANNOTATED, gold[0], gold[0], 0.1),
        (ANNOTATED, gold[1], None, 0.8),
        (NOT_ANNOTATED, found[2], found[2], 0.85),
    ]


def test_an_annotated_entity_is_not_preferred_to_one_within_it():
    gold = [ScoredEntity(0, 9, "A", 0.9), ScoredEntity(3, 5, "A", 0.2)]
    found = [*gold, ScoredEntity(2, 5, "A", 0.3)]
    assert [s.prefers for s in suspects_by_label(0, gold, found)] == [gold[0], found[2]]


@pytest.fixture(scope="module")
def nlp():
    return trained_on_spans(steps=20)  # not sure of anything


def test_probabilities_are_those_of_the_label(nlp):
    docs = nested_docs([*NESTED, ("The Bank of Oslo.", [(4, 16, "ORG"), (4, 8, "ODD")])])
    del docs[2].spans["sc"]
    found = list(judged(Fold([0, 2, 4], nlp), docs, "spancat"))
    assert [one.doc for one in found] == [0, 2, 4]
    assert found[1].annotated == found[1].possible == found[1].found == []  # not annotated
    pipe = nlp.get_pipe("spancat")
    doc = nlp.make_doc(docs[0].text)
    for entity in found[0].annotated:
        (level,) = pipe.distributions([doc])[pipe.labels.index(entity.label)]
        span = doc.char_span(entity.start, entity.end)
        ((p,),) = span_probabilities(level, [[(span.start, span.end, 0)]])
        ((outside,),) = outside_probabilities(level, [[(span.start, span.end)]])
        assert (entity.probability, entity.outside) == pytest.approx((p, outside))
        assert entity.n_tokens == len(span)
    assert {entity.label for entity in found[0].annotated} == {"ORG", "PLACE"}
    (odd,) = [entity for entity in found[2].annotated if entity.label == "ODD"]
    assert (odd.probability, odd.outside) == (0.0, 1.0)
    assert len(found[2].annotated) == 2
    for one in found:
        assert all(0.0 < entity.probability <= entity.inside + 1e-6 for entity in one.possible)
        assert {entity.label for entity in one.possible} <= set(pipe.labels)


def test_probabilities_of_several_levels():
    nlp = trained_on_spans(data=NESTED_IN_LABEL, steps=40, levels=2)
    docs = nested_docs(NESTED_IN_LABEL)
    (found,) = judged(Fold([0], nlp), docs, "spancat")
    pipe = nlp.get_pipe("spancat")
    pipe.candidates_threshold, pipe.candidates_max_length = 0.01, 20
    doc = nlp(docs[0].text)
    candidates = doc.spans["candidates"]
    known = {
        (span.start_char, span.end_char): p
        for span, p in zip(candidates, candidates.attrs["scores"])
    }
    assert len(found.annotated) == 2
    for entity in found.annotated:
        assert entity.probability == pytest.approx(known[entity.start, entity.end], abs=1e-6)
        assert entity.probability + entity.outside <= 1.0
    assert all(entity.probability <= entity.inside + 1e-6 for entity in found.possible)


def test_counts_for_the_score(nlp):
    (doc,) = nested_docs(NESTED[:1])
    found = [ScoredEntity(17, 35, "ORG", 0.9), ScoredEntity(31, 35, "ORG", 0.9)]
    assert entity_counts(doc, found, SPANS).tolist() == [2, 1, 2, 1]


def test_spancat_has_entities_without_probabilities():
    nlp = trained_on_spans("spancat", steps=100)
    docs = nested_docs()
    found = list(judged(Fold([0, 3], nlp), docs, "spancat"))
    keys = [{entity[:3] for entity in one.found} for one in found]
    assert keys == [{(17, 35, "ORG"), (31, 35, "PLACE")}, set()]
    assert all(entity.probability is None for one in found for entity in one.annotated)


def wrong_corpus(path):
    """Sixty sentences; one lacks an entity within another, one has it with a wrong label."""
    docs = []
    for i in range(30):
        words = ["the", "University", "of", "Oslo", "and", str(i)]
        docs.append(annotated(words, (1, 4, "ORG"), (3, 4, "PLACE")))
        docs.append(annotated(["Ada", "Khan", "saw", "it", str(i)], (0, 2, "PERSON")))
    docs[6] = annotated(["the", "University", "of", "Oslo", "and", "3"], (1, 4, "ORG"))
    docs[12] = annotated(
        ["the", "University", "of", "Oslo", "and", "6"], (1, 4, "ORG"), (3, 4, "PERSON")
    )
    DocBin(docs=docs).to_disk(path)
    return path


@pytest.mark.slow
def test_models_find_what_is_wrong(tmp_path):
    data, output = wrong_corpus(tmp_path / "train.spacy"), tmp_path / "audit"
    config = tmp_path / "my.cfg"
    init_config(data, lang="en").to_disk(config)
    training = [
        "--components.spancat.model.hidden_width=32",
        "--components.spancat.model.tok2vec.width=32",
        "--components.spancat.threshold=null",
        "--training.dropout=0.1",
        "--training.optimizer.learn_rate=0.01",
        "--training.eval_frequency=10",
        "--training.max_steps=150",
    ]
    arguments = [config, data, "--output", output, "--folds", "3", *training]
    printed = spacy_command("bilstm-crf", "audit", *arguments)
    tasks = [json.loads(line) for line in (output / "suspects.jsonl").open()]
    worst = {
        (t["meta"]["doc"], t["meta"]["kind"], t["spans"][0]["text"], t["label"]) for t in tasks[:3]
    }
    assert worst == {
        (6, NOT_ANNOTATED, "Oslo", "PLACE"),
        (12, NOT_ANNOTATED, "Oslo", "PLACE"),
        (12, ANNOTATED, "Oslo", "PERSON"),
    }
    assert "of 89 annotated entities" in printed and "the models have an F of 9" in printed
    assert (output / "problems.jsonl").read_text() == ""


def test_the_component_has_to_be_known(tmp_path):
    data, config = wrong_corpus(tmp_path / "train.spacy"), tmp_path / "my.cfg"
    spacy_command("init", "config", config, "--pipeline", "spancat")
    command = ["bilstm-crf", "audit", config, data, "--folds", "0", "--output", tmp_path / "out"]
    printed = spacy_command(*command, exit_codes=(1,))
    assert "has no component 'ner'. It has: tok2vec, spancat." in printed
    printed = spacy_command(*command, "--component", "spancat")
    assert "Problems of the data: 0." in printed
