"""The annotator on entities that overlap: beside `spancat`, and with components around it."""

import json

import pytest
import spacy
from spacy.language import Language

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.inference.annotated_text import FailedText
from spacy_bilstm_crf.inference.annotator import Annotator, RequestSettings
from spacy_bilstm_crf.inference.recognizers import groups_without_overlap
from spacy_bilstm_crf.workflows import annotate
from tests.approx import alike
from tests.inference.nested import (
    DATA,
    OF_LEVELS,
    SCHOOL,
    SQUARE,
    TEXTS,
    UNIVERSITY,
    places,
    trained,
)
from tests.inference.service.service import running

FACTORIES = ["spancat", "bilstm_crf_spans"]


@Language.component("test_clears_all_spans")
def clears_all_spans(doc):
    doc.spans.clear()
    return doc


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("spans") / "model"
    trained("bilstm_crf_spans").to_disk(path)
    return path


@pytest.fixture
def nlp(folder):
    return spacy.load(folder)


@pytest.fixture(scope="module")
def folder_of_both(tmp_path_factory):
    path = tmp_path_factory.mktemp("both") / "model"
    trained("bilstm_crf_ner", "bilstm_crf_spans").to_disk(path)
    return path


@pytest.fixture
def both(folder_of_both):
    return spacy.load(folder_of_both)


def in_order(spans):
    return sorted(spans, key=lambda each: (each[0], -each[1], each[2]))


@pytest.mark.parametrize("factory", FACTORIES)
def test_entities_are_those_in_spans_with_their_scores(factory):
    nlp = trained(factory)
    found = Annotator(nlp)([*TEXTS, ""])
    for (text, expected, _), annotation in zip(DATA, found):
        if factory == "spancat":  # whose suggester knows of three tokens at most
            expected = [each for each in expected if each[2] != "WORK"]
        assert places(annotation.entities) == in_order(expected)
        doc = nlp(text)
        group = doc.spans["sc"]
        scores = {
            (span.start_char, span.end_char, span.label_): float(score)
            for span, score in zip(group, group.attrs["scores"])
        }
        for entity in annotation.entities:
            assert entity["text"] == text[entity["start"] : entity["end"]]
            (place,) = places([entity])
            assert entity["confidence"] == pytest.approx(scores[place], abs=1e-5)
    assert found[-1].entities == []


def test_entities_of_a_doc_and_of_its_spans_are_one_list(both):
    for (text, overlapping, flat), annotation in zip(DATA, Annotator(both)(TEXTS)):
        assert places(annotation.entities) == in_order([*overlapping, *flat]), text
        assert all(0.5 < entity["confidence"] <= 1 for entity in annotation.entities)


def test_the_same_span_and_label_is_one_entity(nlp):
    """Of an entity without a probability and one with, or of two, the probability is the larger."""
    alone = Annotator(nlp)(TEXTS)
    nlp.add_pipe("entity_ruler", first=True).add_patterns([{"label": "PLACE", "pattern": "London"}])
    assert Annotator(nlp)(TEXTS) == alike(alone)
    nlp.remove_pipe("entity_ruler")
    second = nlp.add_pipe(
        "bilstm_crf_spans", name="second", source=trained("bilstm_crf_spans", steps=20)
    )
    second.threshold = 0.0  # of the same key: it overwrites what the first has found
    several = Annotator(nlp)(TEXTS)
    for one, other in zip(alone, several):
        assert set(places(one.entities)) <= set(places(other.entities))
        assert len(set(places(other.entities))) == len(other.entities)
        best = {places([e])[0]: e["confidence"] for e in other.entities}
        assert all(e["confidence"] <= best[places([e])[0]] + 1e-5 for e in one.entities)
    assert sum(len(each.entities) for each in several) > sum(len(each.entities) for each in alone)


@pytest.mark.parametrize("component", ["test_clears_all_spans", "merge_entities"])
def test_later_components_change_nothing(component, both):
    settings = RequestSettings(candidates=0.01)
    alone = Annotator(both)(TEXTS, settings)
    both.add_pipe(component)
    for one, other in zip(alone, Annotator(both)(TEXTS, settings)):
        assert (other.entities, other.candidates) == (one.entities, one.candidates)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.999, None])
def test_settings_of_a_request_are_those_of_both_kinds(threshold, both):
    annotator = Annotator(both)
    before = [dict(component.cfg) for component in annotator.components]
    assert len(before) == 2
    settings = RequestSettings(threshold, own_threshold=False, candidates=0.2)
    found = annotator(TEXTS, settings)
    assert [component.cfg for component in annotator.components] == before
    for component in annotator.components:
        component.threshold, component.candidates_threshold = threshold, 0.2
        component.candidates_key = f"candidates of {component.name}"
    for text, annotation in zip(TEXTS, found):
        doc = both(text)
        spans = [*doc.ents, *doc.spans["sc"]]
        expected = {(span.start_char, span.end_char, span.label_) for span in spans}
        assert places(annotation.entities) == in_order(expected)
        likely = [span for c in annotator.components for span in doc.spans[c.candidates_key]]
        assert sorted(places(annotation.candidates)) == sorted(
            (span.start_char, span.end_char, span.label_) for span in likely
        )


def test_tag_sequences_need_a_recognizer(nlp, both):
    settings = RequestSettings(k_best=2)
    with pytest.raises(UserError) as error:
        Annotator(nlp)(TEXTS, settings)
    assert str(error.value) == (
        "k_best: the pipeline has no bilstm_crf_ner component; a bilstm_crf_spans has tag "
        "sequences for each label, but none with the entities of all labels."
    )
    first, *_ = Annotator(both)(TEXTS, settings)
    assert places(first.k_best[0]["entities"]) == [(0, 3, "PERSON")]


def test_a_text_with_more_candidates_than_anyone_reads_fails(nlp, monkeypatch):
    """The limit is that of all labels together."""
    all_that_there_are = RequestSettings(candidates=0.0)
    (whole,) = Annotator(nlp)([UNIVERSITY], all_that_there_are)
    n_candidates = len(whole.candidates)
    assert len({entity["label"] for entity in whole.candidates}) > 1
    monkeypatch.setattr("spacy_bilstm_crf.inference.annotator.MOST_PER_TOKEN", 0)
    monkeypatch.setattr("spacy_bilstm_crf.decoding.entities.FEW", n_candidates)
    (same,) = Annotator(nlp)([UNIVERSITY], all_that_there_are)
    assert same == alike(whole)
    monkeypatch.setattr("spacy_bilstm_crf.decoding.entities.FEW", n_candidates - 1)
    failed, other = Annotator(nlp)([UNIVERSITY, "Nobody"], all_that_there_are)
    assert isinstance(failed, FailedText) and failed.kind == "TooManyEntities"
    assert not isinstance(other, FailedText)
    assert nlp.get_pipe("bilstm_crf_spans").most_per_token is None


@pytest.mark.parametrize("target", ["parquet", "jsonl"])
def test_annotate_writes_what_the_service_answers(target, folder_of_both, tmp_path):
    import pyarrow.parquet as pq

    lines = [json.dumps({"id": str(i), "text": text}) for i, text in enumerate(TEXTS)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    out = tmp_path / "out"
    summary = annotate(
        folder_of_both, tmp_path / "in.jsonl", out, candidates=0.2, target=target, batch_size=2
    )
    if target == "parquet":
        rows = pq.read_table(out).to_pylist()
    else:
        rows = [json.loads(line) for line in (out / "part-000000.jsonl").open()]
    with running(spacy.load(folder_of_both)) as client:
        answer = client.post("/annotate", json={"texts": TEXTS, "candidates": 0.2}).json()
    for row, result, (text, overlapping, flat) in zip(rows, answer["results"], DATA, strict=True):
        assert row["text"] == text and row["error"] is None
        assert places(row["entities"]) == in_order([*overlapping, *flat])
        for key in ("entities", "candidates"):
            assert row[key] == alike(result[key])
    assert summary.n_entities == sum(len(spans) + len(ents) for _, spans, ents in DATA)


def with_spans_filter(nlp):
    nlp.get_pipe("bilstm_crf_spans").spans_filter = lambda spans, others: list(others)


def with_an_earlier_ruler(nlp):
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "RULED", "pattern": "here"}])


def with_a_ruler_of_the_same_label(nlp):
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "PLACE", "pattern": "here"}])


def with_a_later_ruler(nlp):
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "RULED", "pattern": "here"}])


def test_levels_of_a_label_are_no_group():
    nlp = trained("bilstm_crf_spans", data=OF_LEVELS, levels=2)
    assert groups_without_overlap(nlp) is None
    (found,) = Annotator(nlp)([SCHOOL])
    assert places(found.entities) == in_order(OF_LEVELS[-1][1])


@pytest.mark.parametrize(
    "change, is_known",
    [
        (lambda nlp: None, True),
        (with_an_earlier_ruler, True),
        (with_a_ruler_of_the_same_label, False),
        (with_a_later_ruler, False),
        (with_spans_filter, False),
    ],
)
def test_groups_of_labels(change, is_known, both):
    change(both)
    expected = [["PERSON"], ["ORG"], ["PLACE"], ["WORK"]] if is_known else None
    assert groups_without_overlap(both) == expected


def test_crossing_entities_have_their_own_text(nlp):
    (found,) = Annotator(nlp)([SQUARE])
    assert [(e["text"], e["label"]) for e in found.entities] == [
        ("New York Times Square guide", "WORK"),
        ("New York Times", "ORG"),
        ("Times Square", "PLACE"),
    ]
