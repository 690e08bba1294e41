"""What training promises, of annotation of all sorts."""

import itertools
from functools import cache

import numpy as np
from hypothesis import note
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example

from spacy_bilstm_crf.training import annotation_of
from tests.fuzz.running import counts, fuzzed
from tests.fuzz.strategies import (
    LABELS,
    UNKNOWN,
    annotate,
    any_text,
    as_spans,
    described,
    pipeline,
    spans_of,
    token_lists,
    weights,
)

WRONG = "wrong"


@cache
def bytes_of(kind):
    return pipeline(kind).get_pipe("ner").to_bytes()


def fresh(kind, entity_ratio, incorrect_spans_key):
    """A pipeline as it was before any training."""
    nlp = pipeline(kind)
    ner = nlp.get_pipe("ner")
    ner.from_bytes(bytes_of(kind))
    ner.entity_ratio, ner.incorrect_spans_key = entity_ratio, incorrect_spans_key
    ner.threshold = ner.candidates_threshold = None
    return nlp


@st.composite
def segmentations(draw, text, vocab):
    """A doc of this text, cut into tokens anywhere."""
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=12)))
    places = [0, *(cut for cut in cuts if cut < len(text)), len(text)]
    found = [text[start:end] for start, end in itertools.pairwise(places) if start < end]
    return Doc(vocab, words=found, spaces=[False] * len(found))


@st.composite
def examples_of(draw, nlp, labels):
    """An example whose two docs have the same text, and maybe other tokens."""
    vocab = nlp.vocab
    text = draw(any_text)
    kind = draw(st.sampled_from(["same words", "tokenizer", "cut anywhere"]))
    if kind == "same words":
        found, spaces = draw(token_lists())
        predicted, reference = (Doc(vocab, words=found, spaces=spaces) for _ in range(2))
    elif kind == "tokenizer":
        predicted = nlp.make_doc(text)
        reference = draw(segmentations(text, vocab))
    else:
        predicted, reference = (draw(segmentations(text, vocab)) for _ in range(2))
    annotate(draw, reference, labels)
    if draw(st.booleans()):
        annotate(draw, predicted, LABELS)
    if len(reference) and draw(st.booleans()):
        wrong = draw(spans_of(len(reference), labels, overlap=True))
        reference.spans[WRONG] = as_spans(reference, wrong)
    for doc in (predicted, reference):
        note(described(doc))
    return Example(predicted, reference)


@st.composite
def batches(draw, labels=LABELS):
    """A kind of pipeline and examples with its vocabulary."""
    kind = draw(st.sampled_from(["hash", "cnn", "bilstm", "many labels"]))
    of_examples = examples_of(pipeline(kind), labels)
    return kind, draw(st.lists(of_examples, min_size=1, max_size=4))


ratios = st.none() | st.fixed_dictionaries(
    {
        "rate": st.floats(0.01, 0.99),
        "margin": st.floats(0.0, 0.5),
        "weight": st.floats(0.01, 100.0),
    }
)


@fuzzed(
    examples=60,
    batch=batches() | batches([*LABELS, UNKNOWN]),
    entity_ratio=ratios,
    key=st.sampled_from([None, WRONG]),
    drop=st.sampled_from([0.0, 0.5]),
)
def test_training_is_finite_or_refuses(batch, entity_ratio, key, drop):
    kind, examples = batch
    nlp = fresh(kind, entity_ratio, key)
    before = weights(nlp)
    optimizer = nlp.resume_training()
    counts["examples trained on"] += 2 * len(examples)
    losses = {}
    try:
        for _ in range(2):
            nlp.update(examples, sgd=optimizer, drop=drop, losses=losses)
    except ValueError as error:
        counts["batches refused"] += 1
        assert str(error)
        assert np.array_equal(weights(nlp), before)  # nothing was learned from half of it
        return
    assert np.isfinite(losses["ner"]) and losses["ner"] >= -1e-6
    assert np.isfinite(weights(nlp)).all()


@fuzzed(examples=30, batch=batches(), drop=st.sampled_from([0.0, 0.5]))
def test_rehearsal_scores_and_calibration_are_finite(batch, drop):
    kind, examples = batch
    nlp = fresh(kind, None, None)
    ner = nlp.get_pipe("ner")
    counts["examples trained on"] += len(examples)
    optimizer = nlp.resume_training()
    losses = {}
    nlp.rehearse(examples, sgd=optimizer, losses=losses)
    nlp.update(examples, sgd=optimizer, drop=drop)
    nlp.rehearse(examples, sgd=optimizer, losses=losses)
    assert np.isfinite(losses["ner"]) and losses["ner"] >= -1e-6
    assert np.isfinite(weights(nlp)).all()
    scores = nlp.evaluate(examples)
    assert scores["ents_f"] is None or 0.0 <= scores["ents_f"] <= 1.0
    try:
        found = ner.calibrate(examples)
    except ValueError as error:
        assert "has entities annotated" in str(error)
        return
    assert np.isfinite([found.temperature, *found.label_biases]).all() and found.temperature > 0.0
    ner(examples[0].reference.copy())


@fuzzed(examples=30, batch=batches(), key=st.sampled_from([None, WRONG]))
def test_the_loss_of_a_batch_is_the_mean_of_its_docs(batch, key):
    kind, examples = batch
    ner = fresh(kind, None, key).get_pipe("ner")
    # A network is never asked about no tokens at all
    examples = [example for example in examples if len(example.predicted)]
    if not examples:
        return
    counts["examples trained on"] += len(examples)
    potentials = ner.model.predict([example.predicted for example in examples])
    try:
        loss, gradient = ner.get_loss(examples, potentials)
        singles = [
            ner.get_loss([example], ner.model.predict([example.predicted]))[0]
            for example in examples
        ]
        known = annotation_of(examples, ner.labels, key).n_annotated
    except ValueError as error:
        assert str(error)
        return
    np.testing.assert_allclose(loss * max(known, 1), sum(singles), rtol=1e-3, atol=1e-3)
    for part in (*gradient.emissions, gradient.transitions, gradient.start, gradient.end):
        assert np.isfinite(part).all()
