"""What prediction promises, of docs of all sorts."""

import math

import hypothesis
import numpy as np
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_bilstm_crf.calibration import Calibration
from spacy_bilstm_crf.constraints import blocked_spans
from tests.fuzz.running import counts, fuzzed
from tests.fuzz.strategies import (
    documents,
    documents_of_kinds,
    pipeline,
    settings_of_prediction,
    stock,
)

# Two choices whose sums of probabilities differ by less are a tie that rounding may settle
TIE = 1e-4
NO_CALIBRATION = Calibration()._asdict()


def prepared(kind, settings):
    ner = pipeline(kind).get_pipe("ner")
    ner.spans_key = None  # which the candidates' key must differ from while others change
    calibration = {name: settings.get(name, value) for name, value in NO_CALIBRATION.items()}
    ner.cfg.update(calibration)
    for name, value in settings.items():
        if name not in calibration:
            setattr(ner, name, value)
    return ner


def reloaded(ner, kind):
    """The saved pipeline's component, with all that this one keeps."""
    saved = pipeline(kind, saved=True).get_pipe("ner")
    return saved.from_bytes(ner.to_bytes(exclude=["vocab"]), exclude=["vocab"])


def found_in(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def copies(docs):
    return [doc.copy() for doc in docs]


def checked_entity(ent, labels):
    """An entity that was found: not on whitespace, not across a sentence's start."""
    doc = ent.doc
    assert 0 <= ent.start < ent.end <= len(doc)
    assert ent.label_ in labels
    assert not doc[ent.start].is_space and not doc[ent.end - 1].is_space
    assert not any(doc[i].is_sent_start for i in range(ent.start + 1, ent.end))


def check_annotations(before, doc, settings, labels):
    """What is in a doc now, beside what was."""
    presets = found_in(before)
    assert set(presets) <= set(found_in(doc))
    ids = {(ent.start, ent.end): (ent.kb_id_, ent.id_) for ent in doc.ents}
    assert all(ids[ent.start, ent.end] == (ent.kb_id_, ent.id_) for ent in before.ents)
    blocked = {span.start for span in blocked_spans(before)}
    assert blocked == {span.start for span in blocked_spans(doc)}
    for ent in doc.ents:
        if (ent.start, ent.end, ent.label_) in presets:
            assert ent._.confidence is None
            continue
        checked_entity(ent, labels)
        assert blocked.isdisjoint(range(ent.start, ent.end))
        if settings["entity_scores"]:
            assert 0.0 < ent._.confidence <= 1.0 + 1e-9
            if settings["threshold"] is not None:
                assert ent._.confidence >= settings["threshold"] - 1e-9
        elif settings["candidates_threshold"] is None:
            assert ent._.confidence is None
    if len(doc):
        assert all(token.ent_iob_ for token in doc)
    if settings["candidates_threshold"] is not None:
        group = doc.spans["candidates"]
        for span, probability in zip(group, group.attrs["scores"], strict=True):
            checked_entity(span, labels)
            assert settings["candidates_threshold"] - 1e-6 <= probability <= 1.0 + 1e-6
            assert len(span) <= settings["candidates_max_length"]
    if settings["spans_key"] is not None and settings["entity_scores"]:
        new = [ent for ent in doc.ents if ent._.confidence is not None]
        assert list(doc.spans["sure"]) == new


@fuzzed(examples=60, drawn=documents_of_kinds(), settings=settings_of_prediction)
def test_entities_are_well_formed_and_presets_stay(drawn, settings):
    kind, docs = drawn
    ner = prepared(kind, settings)
    counts["docs predicted"] += len(docs)
    for before, doc in zip(docs, ner.pipe(copies(docs), batch_size=3), strict=True):
        check_annotations(before, doc, settings, ner.labels)
        again = ner(doc.copy())
        # Given what was found, other entities get more probable: a threshold may let them in
        assert set(found_in(doc)) <= set(found_in(again))
        if settings["threshold"] is None:
            assert found_in(doc) == found_in(again)
        if settings["entity_scores"]:
            kept = {(e.start, e.end): e._.confidence for e in again.ents}
            assert all(ent._.confidence == kept[ent.start, ent.end] for ent in doc.ents)
        for copy in (doc.copy(), Doc(doc.vocab).from_bytes(doc.to_bytes())):
            assert found_in(copy) == found_in(doc)
            assert [ent._.confidence for ent in copy.ents] == [e._.confidence for e in doc.ents]
        assert len(doc.to_json()["ents"]) == len(doc.ents)


@fuzzed(
    examples=60,
    drawn=documents_of_kinds(min_docs=2),
    settings=settings_of_prediction,
    batch_size=st.integers(1, 4),
)
def test_a_doc_alone_is_a_doc_in_a_batch(drawn, settings, batch_size):
    kind, docs = drawn
    ner = prepared(kind, settings)
    counts["docs predicted"] += 4 * len(docs)
    together = ner.predict(copies(docs))
    back_to_front = ner.predict(copies(docs)[::-1])[::-1]
    in_batches = list(ner.pipe(copies(docs), batch_size=batch_size))
    for doc, batch, reverse, of_batch in zip(docs, together, back_to_front, in_batches):
        alone, of_alone = ner.predict([doc.copy()])[0], ner(doc.copy())
        assert_same(ner, doc, alone, batch)
        assert_same(ner, doc, alone, reverse)
        if [e.span for e in alone.entities] == [e.span for e in batch.entities]:
            assert found_in(of_alone) == found_in(of_batch)


def assert_same(ner, doc, one, other):
    """The same entities and probabilities, but for ties that rounding settles."""
    spans, others = ([e.span for e in found.entities] for found in (one, other))
    if spans == others:
        probabilities = ([e.probability for e in found.entities] for found in (one, other))
        np.testing.assert_allclose(*probabilities, atol=TIE)
    else:
        assert abs(worth(ner, doc, one) - worth(ner, doc, other)) < TIE
    either = {e.span for e in one.candidates} ^ {e.span for e in other.candidates}
    for entity in [*one.candidates, *other.candidates]:
        if entity.span in either:
            assert abs(entity.probability - ner.candidates_threshold) < TIE


def worth(ner, doc, found):
    """What decides which entities are best, as far as the one doc tells."""
    if ner.threshold is not None:
        return sum(entity.probability - ner.threshold for entity in found.entities)
    wanted = sorted(entity.span for entity in found.entities)
    for entities, probability in ner.k_best(doc.copy(), 5):
        spans = [
            (e.start, e.end, ner.labels.index(e.label_)) for e in entities if e.label_ in ner.labels
        ]
        if sorted(spans) == wanted:
            return probability
    raise AssertionError("The entities are not those of one of the most probable tag sequences.")


@fuzzed(examples=30, drawn=documents_of_kinds(), settings=settings_of_prediction)
def test_a_pipeline_out_of_its_bytes_finds_the_same(drawn, settings):
    kind, docs = drawn
    counts["docs predicted"] += 2 * len(docs)
    ner = prepared(kind, settings)
    ours = ner.predict(copies(docs))
    theirs = reloaded(ner, kind).predict(copies(docs))
    for found, of_saved in zip(ours, theirs, strict=True):
        for entities, others in zip(found, of_saved, strict=True):
            assert [e.span for e in entities] == [e.span for e in others]
            probabilities = ([e.probability for e in some] for some in (entities, others))
            np.testing.assert_array_equal(*probabilities)


@fuzzed(examples=30, drawn=documents_of_kinds(max_docs=3), k=st.integers(1, 6))
def test_probabilities_add_up(drawn, k):
    kind, docs = drawn
    ner = prepared(kind, {"threshold": None, "candidates_threshold": None})
    counts["docs predicted"] += len(docs)
    for doc, entropy, of_tokens in zip(docs, ner.entropy(docs), ner.token_probabilities(docs)):
        assert np.isfinite(entropy) and entropy >= 0.0
        assert of_tokens.shape == (len(doc), len(ner.tags))
        np.testing.assert_allclose(of_tokens.sum(1), 1.0, atol=1e-5)
        assert (of_tokens >= 0.0).all()
        found = ner.k_best(doc, k)
        probabilities = [probability for _, probability in found]
        assert 1 <= len(found) <= k
        assert probabilities == sorted(probabilities, reverse=True)
        # No distribution has less entropy than its most probable outcome has surprise
        assert entropy >= -math.log(max(probabilities[0], 1e-30)) - 1e-3
        if len(found) < k:
            assert sum(probabilities) > 1.0 - 1e-4
        assert probabilities[-1] >= 0.0 and sum(probabilities) <= 1.0 + 1e-6
        assert len({tuple(found_in_sequence) for found_in_sequence, _ in spans_of(found)}) == len(
            found
        )


def spans_of(sequences):
    for entities, probability in sequences:
        yield [(e.start, e.end, e.label_) for e in entities], probability


def annotated(doc):
    """Entities with their ids, and what is blocked."""
    entities = [(ent.start, ent.end, ent.label_, ent.kb_id_, ent.id_) for ent in doc.ents]
    return set(entities), {span.start for span in blocked_spans(doc)}


@fuzzed(examples=40, docs=st.lists(documents(pipeline("hash")), min_size=1, max_size=4))
def test_what_a_doc_has_stays_as_with_the_stock_ner(docs):
    ner = prepared("hash", {"threshold": None, "candidates_threshold": None})
    counts["docs predicted"] += len(docs)
    for before, ours, theirs in zip(docs, ner.pipe(copies(docs)), stock().pipe(copies(docs))):
        presets, _ = annotated(before)
        (entities, blocked), (stock_entities, stock_blocked) = annotated(ours), annotated(theirs)
        assert presets & entities == presets & stock_entities
        assert blocked == stock_blocked


def test_docs_that_are_fuzzed_have_entities():
    found = []

    @hypothesis.settings(max_examples=100, derandomize=True, deadline=None)
    @hypothesis.given(documents_of_kinds())
    def predict(drawn):
        kind, docs = drawn
        ner = prepared(kind, {"threshold": None, "candidates_threshold": None})
        pairs = zip(docs, ner.pipe(copies(docs)))
        found.extend(len(doc.ents) > len(before.ents) for before, doc in pairs if len(doc))

    predict()
    assert sum(found) > 0.5 * len(found) > 25
