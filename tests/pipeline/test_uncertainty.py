"""Probabilities of the component against enumeration of a doc's tag sequences."""

import math
import pickle
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import fix_random_seed

from spacy_bilstm_crf.batching import legality
from spacy_bilstm_crf.calibration import Calibration
from spacy_bilstm_crf.decoding import outside_probabilities, segment_probabilities
from spacy_bilstm_crf.models.torch_layer import shim_of
from spacy_bilstm_crf.tags import IN, spans_of_tags, tag_id
from tests.approx import alike
from tests.helpers import char_embed_model, examples_for, make_nlp, train
from tests.oracle import Oracle

pytestmark = pytest.mark.usefixtures("kind_of_arrays")


@pytest.fixture(scope="module")
def unsure():
    """A pipeline with random scores, in which many entities are about as likely as others."""
    fix_random_seed(0)
    nlp = make_nlp(candidates_threshold=0.01, candidates_max_length=3)
    network = shim_of(nlp.get_pipe("ner").model.get_ref("output_layer"))._model
    torch.nn.init.normal_(network.emissions.weight, std=4.0)
    torch.nn.init.normal_(network.transitions, std=1.0)
    return nlp


def plain(nlp):
    return Doc(nlp.vocab, words=["Who", "is", "London", "Khan"])


def with_preset(nlp):
    doc = plain(nlp)
    doc.set_ents([Span(doc, 1, 3, label="LOC")])
    return doc


def with_unknown_preset(nlp):
    doc = plain(nlp)
    doc.set_ents([Span(doc, 2, 3, label="EVENT")])
    return doc


def with_block(nlp):
    doc = plain(nlp)
    doc.set_ents([], blocked=[doc[2:3]], default="unmodified")
    return doc


def with_whitespace(nlp):
    return Doc(nlp.vocab, words=["Who", " ", "\n", "Khan"])


def with_sentences(nlp):
    return Doc(nlp.vocab, words=["I", "saw", "Who", "London"], sent_starts=[1, 0, 1, 0])


DOCS = [plain, with_preset, with_unknown_preset, with_block, with_whitespace, with_sentences]


def bias_of_tags(ner, biases):
    """What is added to each tag's score: an entity has one B or U."""
    by_label = dict(zip(ner.labels, biases))
    return [by_label.get(tag[2:], 0.0) * (tag[0] in "BU") for tag in ner.tags]


def distribution(nlp, doc, calibration=(1.0, ())):
    """Probabilities of the tag sequences that the doc's own annotation leaves possible."""
    ner = nlp.get_pipe("ner")
    temperature, biases = calibration
    potentials = ner.model.predict([doc])
    bias = bias_of_tags(ner, biases)
    oracle = Oracle(
        (potentials.emissions[0] / temperature + bias).tolist(),
        (potentials.transitions / temperature).tolist(),
        (potentials.start / temperature).tolist(),
        (potentials.end / temperature).tolist(),
        *(part.tolist() for part in legality(len(ner.tags))[:3]),
        np.ones((len(doc), len(ner.tags)), dtype=bool).tolist(),
    )
    oracle.scores = {
        path: score
        for path, score in oracle.scores.items()
        if is_possible(doc, labelled(path, ner.labels))
    }
    return oracle


def labelled(path, labels):
    return [(start, end, labels[label]) for start, end, label in spans_of_tags(np.array(path))]


def is_possible(doc, found):
    """The rules that spaCy has for entities, one by one."""
    presets = {(ent.start, ent.end, ent.label_) for ent in doc.ents}
    known = {ent for ent in presets if ent[2] in ("PERSON", "LOC")}
    if not known <= set(found):
        return False
    for start, end, label in found:
        tokens = doc[start:end]
        if (start, end, label) in presets:
            continue
        if any(token.ent_iob_ == "B" and not token.ent_type_ for token in tokens):  # blocked
            return False
        if any(token.ent_type_ for token in tokens):
            return False
        if tokens[0].is_space or tokens[-1].is_space:
            return False
        if any(token.is_sent_start for token in list(tokens)[1:]):
            return False
    return True


def span_probabilities(oracle, labels):
    found = {}
    for path, p in oracle.probabilities.items():
        for span in labelled(path, labels):
            found.setdefault(span, []).append(p)
    return {span: math.fsum(parts) for span, parts in found.items()}


@pytest.fixture(params=[(1.0, ()), (2.5, ()), (0.7, (-0.5, 0.8)), (1.0, (1.2,))])
def calibration(unsure, request):
    ner = unsure.get_pipe("ner")
    ner.cfg.update(Calibration(*request.param)._asdict())
    yield request.param
    ner.cfg.update(Calibration()._asdict())


@pytest.mark.parametrize("make", DOCS)
def test_probabilities_of_no_entity(unsure, make, calibration):
    ner, doc = unsure.get_pipe("ner"), make(unsure)
    oracle = distribution(unsure, doc, calibration)
    spans = [(i, j) for i in range(len(doc)) for j in range(i + 1, len(doc) + 1)]
    found = outside_probabilities(ner.distribution([doc, Doc(unsure.vocab)]), [spans, []])
    expected = [
        math.fsum(
            p
            for path, p in oracle.probabilities.items()
            if not any(start < j and i < end for start, end, _ in labelled(path, ner.labels))
        )
        for i, j in spans
    ]
    assert found == [pytest.approx(expected, abs=1e-5), []]


@pytest.mark.parametrize("make", DOCS)
def test_probabilities_of_segments(unsure, make, calibration):
    """Of all that can be said of some tokens in a row, whatever the others are."""
    ner, doc = unsure.get_pipe("ner"), make(unsure)
    oracle = distribution(unsure, doc, calibration)
    expected = {}
    for path, p in oracle.probabilities.items():
        for start, end in [(0, 1), (0, 2), (1, 3), (0, len(doc)), (len(doc) - 1, len(doc))]:
            expected.setdefault((start, path[start:end]), []).append(p)
    segments = [*expected, (0, (tag_id(IN, 0),))]  # nothing begins in the middle of an entity
    docs = [Doc(unsure.vocab), doc]
    found = segment_probabilities(ner.distribution(docs), [[], segments])
    assert found == [[], pytest.approx([*map(math.fsum, expected.values()), 0.0], abs=1e-5)]


@pytest.mark.parametrize("kind", ["CharCNNEmbed", "CharBiLSTMEmbed"])
def test_no_tokens_are_no_doubt(kind):
    nlp = make_nlp(model=char_embed_model(kind))
    ner, nothing = nlp.get_pipe("ner"), [Doc(nlp.vocab), Doc(nlp.vocab)]
    assert ner.entropy([]) == ner.token_probabilities([]) == []
    assert ner.entropy(nothing) == [0.0, 0.0]
    assert [found.shape for found in ner.token_probabilities(nothing)] == [(0, 9), (0, 9)]


@pytest.mark.parametrize("make", DOCS)
def test_confidence_and_candidates(unsure, make, calibration):
    ner = unsure.get_pipe("ner")
    doc = make(unsure)
    presets = {(ent.start, ent.end, ent.label_) for ent in doc.ents}
    preset_tokens = {i for start, end, _ in presets for i in range(start, end)}
    expected = span_probabilities(distribution(unsure, doc, calibration), ner.labels)
    doc = ner(doc)
    for ent in doc.ents:
        span = (ent.start, ent.end, ent.label_)
        if span in presets:
            assert ent._.confidence is None
        else:
            assert ent._.confidence == pytest.approx(expected[span], abs=1e-5)
    assert list(doc.spans) == ["candidates"]
    candidates = doc.spans["candidates"]
    found = [(span.start, span.end, span.label_) for span in candidates]
    assert len(set(found)) == len(found)
    for span, score in zip(found, candidates.attrs["scores"], strict=True):
        assert score == pytest.approx(expected[span], abs=1e-5)
    likely = {
        span
        for span, p in expected.items()
        if p > 0.01 + 1e-5 and span[1] - span[0] <= 3 and span[0] not in preset_tokens
    }
    assert likely <= set(found)
    assert all(expected[span] > 0.01 - 1e-5 for span in found)


def test_candidates_overlap(unsure):
    doc = unsure.get_pipe("ner")(plain(unsure))
    spans = list(doc.spans["candidates"])
    assert any(a.start < b.end and b.start < a.end for a, b in combinations(spans, 2))
    assert len(spans) > len(doc.ents)


@pytest.mark.parametrize("make", DOCS)
def test_token_probabilities_and_entropy(unsure, make, calibration):
    ner = unsure.get_pipe("ner")
    docs = [make(unsure), Doc(unsure.vocab), plain(unsure)]
    found = ner.token_probabilities(docs)
    entropies = ner.entropy(docs)
    for i in (0, 2):
        oracle = distribution(unsure, docs[i], calibration)
        np.testing.assert_allclose(found[i], oracle.marginals(), atol=1e-5)
        np.testing.assert_allclose(found[i].sum(1), 1.0, atol=1e-5)
        assert entropies[i] == pytest.approx(oracle.entropy(), abs=1e-4)
    assert found[1].shape == (0, len(ner.tags))
    assert entropies[1] == 0.0
    assert all(array.dtype == np.float32 for array in found)


@pytest.mark.parametrize("make", DOCS)
def test_k_best(unsure, make, calibration):
    ner = unsure.get_pipe("ner")
    doc = make(unsure)
    unknown = [(e.start, e.end, e.label_) for e in doc.ents if e.label_ not in ner.labels]
    expected = {
        tuple(sorted([*labelled(path, ner.labels), *unknown])): p
        for path, p in distribution(unsure, doc, calibration).probabilities.items()
    }
    found = ner.k_best(doc, 20)
    sequences = [tuple((s.start, s.end, s.label_) for s in spans) for spans, _ in found]
    assert len(set(sequences)) == len(sequences) == min(20, len(expected))
    for sequence, (_, p) in zip(sequences, found, strict=True):
        assert p == pytest.approx(expected[sequence], abs=1e-5)
    best = sorted(expected.values(), reverse=True)[:20]
    assert [p for _, p in found] == pytest.approx(best, abs=1e-5)
    doc = ner(doc)
    assert sequences[0] == tuple((ent.start, ent.end, ent.label_) for ent in doc.ents)


def test_k_best_of_nothing(unsure):
    ner = unsure.get_pipe("ner")
    assert ner.k_best(Doc(unsure.vocab), 3) == [([], 1.0)]
    with pytest.raises(ValueError, match="k of at least 1, but got 0"):
        ner.k_best(plain(unsure), 0)


@pytest.mark.parametrize("make", DOCS)
def test_what_the_component_found_itself_binds_nothing(unsure, make):
    ner = unsure.get_pipe("ner")
    fresh, doc = make(unsure), ner(make(unsure))
    assert ner.entropy([doc]) == pytest.approx(ner.entropy([fresh]))
    np.testing.assert_allclose(*(ner.token_probabilities([d])[0] for d in (doc, fresh)))
    found, expected = (
        [[[(e.start, e.end, e.label_) for e in ents], p] for ents, p in ner.k_best(each, 5)]
        for each in (doc, fresh)
    )
    assert found == alike(expected)
    # but the component itself leaves entities as they are, as the stock one does
    before = confidences(doc)
    assert confidences(ner(doc)) == before


# Where probabilities are kept


def confidences(doc):
    return [ent._.confidence for ent in doc.ents]


TEXTS = ["Who is London Khan?", "I like London and Berlin.", ""] * 2


@pytest.fixture
def expected(unsure):
    found = [confidences(doc) for doc in unsure.pipe(TEXTS)]
    assert all(0.0 < p <= 1.0 for of_doc in found for p in of_doc)
    assert sum(map(len, found)) > 2
    return found


def test_probabilities_survive_serialization(unsure, expected, tmp_path):
    docs = list(unsure.pipe(TEXTS))
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "docs.spacy")
    found = DocBin().from_disk(tmp_path / "docs.spacy").get_docs(unsure.vocab)
    assert [confidences(doc) for doc in found] == expected
    for doc, of_doc in zip(docs, expected, strict=True):
        assert confidences(Doc(unsure.vocab).from_bytes(doc.to_bytes())) == of_doc
        assert confidences(doc.copy()) == of_doc


def test_probabilities_survive_other_processes(unsure, expected):
    docs = unsure.pipe(TEXTS, n_process=2, batch_size=2)
    np.testing.assert_allclose(
        np.concatenate([confidences(doc) for doc in docs]), np.concatenate(expected), atol=1e-6
    )


def test_other_spans_have_no_confidence(unsure):
    doc = unsure("Who is London Khan?")
    assert doc[0:5]._.confidence is None
    ent = doc.ents[0]
    assert Span(doc, ent.start, ent.end, label="EVENT")._.confidence is None
    # Scores that spaCy's spancat has left are none of an entity
    other = unsure.make_doc("Who is London Khan?")
    other.spans["sc"] = [Span(other, 0, 2, label="LOC")]
    other.spans["sc"].attrs["scores"] = np.array([0.75])
    assert other.spans["sc"][0]._.confidence is None
    # nor have spans that somebody has added to ours
    doc.spans["candidates"].append(doc[0:1])
    assert doc.spans["candidates"].attrs["scores"][0] > 0
    assert doc[0:1]._.confidence is None
    # A component that gives an entity another label says nothing of how probable that is
    doc.ents = [Span(doc, ent.start, ent.end, label="EVENT")]
    assert doc.ents[0]._.confidence is None


@pytest.mark.parametrize("value", [None, 1, "LOC", [], ["LOC"], ["LOC", "0.5", "ner"], {"a": 1}])
def test_values_of_others_in_the_user_data(value, unsure):
    doc = unsure("Who is London Khan?")
    (key,) = [
        key for key in doc.user_data if key[2:] == (doc.ents[0].start_char, doc.ents[0].end_char)
    ]
    doc.user_data[key] = value
    del doc.spans["candidates"]
    assert doc.ents[0]._.confidence is None
    assert all(isinstance(found, float) for found in confidences(unsure(doc))[1:])


def test_keys_and_switches(unsure):
    ner = unsure.get_pipe("ner")
    ner.spans_key = "sure"
    doc = unsure("Who is London Khan?")
    ner.spans_key = None
    group = doc.spans["sure"]
    assert [(s.start, s.end, s.label) for s in group] == [
        (ent.start, ent.end, ent.label) for ent in doc.ents
    ]
    assert group.attrs["scores"].tolist() == pytest.approx(confidences(doc))
    assert len(group) > 0
    nlp = make_nlp()
    doc = nlp.make_doc("Who is Khan")
    doc.spans["ner"] = [doc[0:1]]
    assert [span.text for span in nlp(doc).spans["ner"]] == ["Who"]  # the user's own
    nlp = make_nlp(entity_scores=False)
    doc = nlp("Who is Khan")
    assert list(doc.spans) == []
    with pytest.raises(ValueError, match=r"candidates_threshold of 'ner' is 7.*from 0 to 1"):
        make_nlp(candidates_threshold=7)
    with pytest.raises(ValueError, match="candidates_max_length of 'ner' is 0"):
        make_nlp(candidates_max_length=0)
    with pytest.raises(ValueError, match="both 'all'"):
        make_nlp(candidates_threshold=0.5, spans_key="all", candidates_key="all")


def test_an_extension_of_the_users_is_left_alone():
    make_nlp()  # registers ours
    ours = Span.get_extension("confidence")
    try:
        Span.set_extension("confidence", default="theirs", force=True)
        with pytest.warns(UserWarning, match=r"span\._\.confidence is taken .* spans_key"):
            doc = make_nlp()("Who is Khan")
        assert doc[0:1]._.confidence == "theirs"
    finally:
        Span.set_extension("confidence", getter=ours[2], force=True)


def test_the_extension_comes_with_a_pickled_pipeline(unsure, tmp_path):
    """As in a pool of spawned processes, which creates no component."""
    (tmp_path / "ner").write_bytes(pickle.dumps(unsure))
    merging = spacy.blank("en")
    merging.add_pipe("entity_merger", config={"sources": {"wrong": {}}})
    (tmp_path / "merger").write_bytes(pickle.dumps(merging))
    script = """
import pickle, sys
from pathlib import Path
from spacy.tokens import Span

nlp = pickle.loads(Path(sys.argv[1]).read_bytes())
assert Span.has_extension("confidence")
if "ner" in nlp.pipe_names:
    assert all(ent._.confidence > 0 for ent in nlp("Who is London Khan?").ents)
"""
    for name in ("ner", "merger"):
        subprocess.run([sys.executable, "-c", script, tmp_path / name], check=True)


def test_the_extension_comes_with_the_component_or_by_hand():
    script = """
import spacy
from spacy.tokens import Span
import spacy_bilstm_crf

nlp = spacy.blank("en")  # imports all factories
assert not Span.has_extension("confidence")
Span.set_extension("confidence", default="another package's")
Span.remove_extension("confidence")
spacy_bilstm_crf.register_confidence()
spacy_bilstm_crf.register_confidence()
assert nlp("London")[0:1]._.confidence is None
Span.remove_extension("confidence")
nlp.add_pipe("bilstm_crf_ner")
assert Span.has_extension("confidence")
"""
    found = subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", script], stderr=-1)
    assert found.returncode == 0, found.stderr.decode()


# Calibration


def objective(ner, examples, calibration):
    """-log P(annotation) of all docs together and the prior's share, by their definitions."""
    temperature, biases = calibration
    potentials = ner.model.predict([eg.predicted for eg in examples]).scaled(1 / temperature)
    for doc in potentials.emissions:
        doc += bias_of_tags(ner, biases)
    mean = ner.get_loss(examples, potentials)[0]
    of_the_prior = math.log(temperature) ** 2 + sum(bias**2 for bias in biases)
    return len(examples) * mean + of_the_prior / 2


@pytest.fixture(scope="module")
def trained():
    nlp = make_nlp()
    train(nlp, examples_for(nlp))
    return nlp


HELD_OUT = [
    ("Who is London Khan?", {"entities": [(7, 18, "PERSON")]}),
    ("I like Shaka and Berlin.", {"entities": [(7, 12, "PERSON"), (17, 23, "LOC")]}),
]


def test_calibration_makes_the_annotation_most_probable(trained, tmp_path):
    ner = trained.get_pipe("ner")
    held_out = examples_for(trained, HELD_OUT)
    found = ner.calibrate(held_out, batch_size=1)
    assert found == (ner.cfg["temperature"], ner.cfg["label_biases"])
    least = objective(ner, held_out, found)
    for factor, *shifts in [(0.9, 0, 0), (1.1, 0, 0), (1, -0.1, 0), (1, 0, 0.1), (1.05, 0.1, -0.1)]:
        biases = [bias + shift for bias, shift in zip(found.label_biases, shifts)]
        assert objective(ner, held_out, (factor * found.temperature, biases)) > least
    trained.to_disk(tmp_path)
    loaded = spacy.load(tmp_path).get_pipe("ner").cfg
    assert loaded["temperature"] == pytest.approx(found.temperature)
    assert loaded["label_biases"] == pytest.approx(found.label_biases)


def test_calibration_expects_as_many_entities_of_a_label_as_are_annotated(trained):
    ner = trained.get_pipe("ner")
    held_out = 50 * examples_for(trained, HELD_OUT)
    found = ner.calibrate(held_out)
    marginals = ner.token_probabilities([eg.predicted for eg in held_out])
    for label, bias, annotated in zip(ner.labels, found.label_biases, (100, 50)):
        starts = [i for i, tag in enumerate(ner.tags) if tag in (f"B-{label}", f"U-{label}")]
        expected = sum(doc[:, starts].sum() for doc in marginals)
        assert expected == pytest.approx(annotated - bias, abs=0.1)  # the prior's pull


@pytest.mark.parametrize(
    "held_out",
    [
        pytest.param([("Who is it?", {"entities": []})], id="no entities"),
        pytest.param([("I like London.", {"entities": [(7, 13, "LOC")]})], id="all right"),
    ],
)
def test_calibration_is_finite(trained, held_out):
    found = trained.get_pipe("ner").calibrate(50 * examples_for(trained, held_out))
    assert 0.05 < found.temperature < 20.0
    assert max(map(abs, found.label_biases)) < 20.0


def test_calibration_ends_with_the_weights():
    nlp = make_nlp()
    ner = nlp.get_pipe("ner")
    examples = examples_for(nlp, HELD_OUT)
    assert ner.calibrate(examples) != Calibration()
    nlp.initialize(lambda: examples)
    assert (ner.cfg["temperature"], ner.cfg["label_biases"]) == Calibration()


def test_calibration_needs_annotation():
    nlp = make_nlp()
    doc = nlp.make_doc("Who is Khan?")
    with pytest.raises(ValueError, match="none of the examples"):
        nlp.get_pipe("ner").calibrate([Example(doc, doc.copy())])


@pytest.mark.parametrize("make", DOCS)
def test_samples_are_drawn_by_their_probabilities(unsure, make, calibration):
    ner = unsure.get_pipe("ner")
    docs, n = [make(unsure), Doc(unsure.vocab), plain(unsure)], 500
    before = [list(doc.ents) for doc in docs]
    drawn = ner.sample(docs, n, seed=1)
    assert [list(doc.ents) for doc in docs] == before
    assert drawn[1] == [[]] * n
    unknown = [(e.start, e.end, e.label_) for e in docs[0].ents if e.label_ not in ner.labels]
    for doc, of_doc, others in ((docs[0], drawn[0], unknown), (docs[2], drawn[2], [])):
        expected = {
            tuple(sorted([*labelled(path, ner.labels), *others])): p
            for path, p in distribution(unsure, doc, calibration).probabilities.items()
        }
        sequences = [tuple((s.start, s.end, s.label_) for s in spans) for spans in of_doc]
        assert len(sequences) == n and set(sequences) <= expected.keys()
        # The number of entities: within five standard errors of what is expected
        sizes = np.array([len(sequence) for sequence in expected])
        probabilities = np.array(list(expected.values()))
        mean = float(sizes @ probabilities)
        error = math.sqrt(max(float((sizes - mean) ** 2 @ probabilities), 0.0) / n)
        assert abs(np.mean([len(sequence) for sequence in sequences]) - mean) <= 5 * error + 1e-9
    again = ner.sample(docs, n, seed=1)
    as_text = [[[str(ent) for ent in ents] for ents in of_doc] for of_doc in drawn]
    assert as_text == [[[str(ent) for ent in ents] for ents in of_doc] for of_doc in again]
    with pytest.raises(ValueError, match="n of at least 1, but got 0"):
        ner.sample(docs, 0)


def test_docs_that_share_their_user_data_keep_their_own_probabilities(unsure):
    """As spaCy's `doc_cleaner` makes them: it gives the dict of its config to each doc."""
    nlp = pickle.loads(pickle.dumps(unsure))
    nlp.add_pipe("doc_cleaner", first=True, config={"attrs": {"user_data": {}}})
    nlp.get_pipe("ner").threshold = 0.05  # whatever is found
    nlp.get_pipe("ner").candidates_threshold = None  # which have the probabilities, too
    texts = ["Who is Shaka Khan", "London Khan is Who", "Khan London Who is"]
    expected = [probabilities_of(nlp(text)) for text in texts]
    assert sum(map(len, expected)) > len(texts)
    found = [probabilities_of(doc) for doc in nlp.pipe(texts)]
    assert found == alike(expected)
    assert all(p is not None for of_doc in found for *_, p in of_doc)


def probabilities_of(doc):
    return [[ent.start, ent.end, ent.label_, ent._.confidence] for ent in doc.ents]
