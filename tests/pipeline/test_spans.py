"""Entities that overlap: enumeration is the oracle of probabilities, `spancat` of behaviour."""

import itertools
import math

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import Adam

from spacy_bilstm_crf import decoding
from spacy_bilstm_crf.pipeline import factory as _registers_the_factories  # noqa: F401
from spacy_bilstm_crf.training import span_annotation_of
from spacy_bilstm_crf.workflows import export
from tests.helpers import SMALL_MODEL, char_embed_model, set_windows
from tests.oracle import check_frequencies

KEY = "labeled_spans"
FACTORIES = ["spancat", "bilstm_crf_spans"]
FLAT = [
    ("Who is Shaka Khan?", [(7, 17, "PERSON")]),
    ("I like London and Berlin.", [(7, 13, "LOC"), (18, 24, "LOC")]),
]
OVERLAPPING = [
    FLAT[0],
    (FLAT[1][0], [(7, 13, "LOC"), (18, 24, "LOC"), (7, 24, "DOUBLE_LOC")]),
    ("", []),
]
TEXTS = ["I like London and Berlin", "", "Who is Shaka Khan?", "nothing " * 40]
# The value of an empty group
NO_SPANS: list = []


def make_examples(nlp, data, key=KEY):
    examples = []
    for text, spans in data:
        reference = nlp.make_doc(text)
        found = [reference.char_span(start, end, label=label) for start, end, label in spans]
        reference.spans[key] = found
        examples.append(Example(nlp.make_doc(text), reference))
    return examples


def make_nlp(factory="bilstm_crf_spans", **config):
    nlp = spacy.blank("en")
    if factory == "bilstm_crf_spans":
        config.setdefault("model", SMALL_MODEL)
    nlp.add_pipe(factory, name="spancat", config={"spans_key": KEY, **config})
    return nlp


def trained(factory="bilstm_crf_spans", data=OVERLAPPING, sentences=False, **config):
    fix_random_seed(0)
    nlp = make_nlp(factory, **config)
    examples = make_examples(nlp, data)
    if sentences:
        sentencizer = nlp.add_pipe("sentencizer", first=True)
        for example in examples:
            sentencizer(example.predicted)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.001 if factory == "spancat" else 0.01)
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    return nlp


@pytest.fixture(scope="module")
def overlapping():
    return trained(candidates_threshold=0.01)


def found(doc, key=KEY):
    return [(span.text, span.label_) for span in doc.spans[key]]


# Beside spaCy's own


@pytest.mark.parametrize("factory", FACTORIES)
def test_labels(factory):
    with pytest.raises(ValueError):
        make_nlp(factory).initialize()
    nlp = make_nlp(factory)
    nlp.initialize(lambda: make_examples(nlp, FLAT))
    assert sorted(nlp.get_pipe("spancat").labels) == ["LOC", "PERSON"]
    nlp = make_nlp(factory)
    for label in ("PERSON", "LOC"):
        assert nlp.get_pipe("spancat").add_label(label) == 1
    assert nlp.get_pipe("spancat").add_label("LOC") == 0
    nlp.initialize()
    assert nlp.get_pipe("spancat").labels == ("PERSON", "LOC")


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("data", [FLAT, OVERLAPPING], ids=["flat", "overlapping"])
def test_learns_comes_back_and_is_scored(factory, data, tmp_path):
    nlp = trained(factory, data)
    examples = make_examples(nlp, data)
    expected = {(text[start:end], label) for text, of_text in data for start, end, label in of_text}
    nlp.to_disk(tmp_path)
    for each in (nlp, spacy.load(tmp_path)):
        docs = list(each.pipe(text for text, _ in data))
        assert {span for doc in docs for span in found(doc)} == expected
        for doc in filter(len, docs):
            scores = doc.spans[KEY].attrs["scores"]
            assert len(scores) == len(doc.spans[KEY])
            assert all(0.5 < score <= 1.0 for score in scores)
    scores = nlp.evaluate(examples)
    assert [scores[f"spans_{KEY}_{each}"] for each in "prf"] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("n_process", [1, 2])
def test_batches_and_processes(factory, n_process):
    nlp = trained(factory)
    expected = [found(doc) for doc in map(nlp, TEXTS)]
    assert [found(doc) for doc in nlp.pipe(TEXTS, n_process=n_process)] == expected


@pytest.mark.parametrize("factory", FACTORIES)
def test_entities_and_other_groups_of_a_doc_stay(factory):
    nlp = trained(factory)
    doc = nlp.make_doc(TEXTS[0])
    doc.set_ents([Span(doc, 0, 2, "OTHER")])
    doc.spans["others"] = [doc[0:1]]
    doc = nlp.get_pipe("spancat")(doc)
    assert [ent.text for ent in doc.ents] == ["I like"]
    assert [span.text for span in doc.spans["others"]] == ["I"]
    assert ("London", "LOC") in found(doc)


# Exact probabilities


def span_sets(n_tokens):
    """All sets of spans without overlap."""
    spans = list(itertools.combinations(range(n_tokens + 1), 2))
    for size in range(n_tokens + 1):
        for chosen in itertools.combinations(spans, size):
            if all(a[1] <= b[0] for a, b in itertools.pairwise(chosen)):
                yield chosen


def score_of(spans, chain, emissions):
    """The score of the BILUO tags of a set of spans, by a chain's potentials."""
    tags = [0] * len(emissions)
    for start, end in spans:
        inner = [2] * (end - start - 2)
        tags[start:end] = [4] if end - start == 1 else [1, *inner, 3]
    score = chain.start[tags[0]] + chain.end[tags[-1]]
    score += sum(emissions[i][tag] for i, tag in enumerate(tags))
    return float(score + sum(chain.transitions[a, b] for a, b in itertools.pairwise(tags)))


# Labels, levels and words. Each chain has 34 sets of spans over four words, and 13 over three
SIZES = [("ABC", 1, "one two three four"), ("AB", 2, "one two three")]


@pytest.fixture(scope="module", params=SIZES, ids=["one level", "two levels"])
def unsure(request):
    """Random potentials for a few tokens, and the probability of each combination of sets."""
    labels, levels, text = request.param
    fix_random_seed(0)
    nlp = make_nlp(candidates_threshold=0.0, levels=levels)
    for label in labels:
        nlp.get_pipe("spancat").add_label(label)
    nlp.initialize()
    rng = np.random.default_rng(0)
    network = nlp.get_pipe("spancat").model.get_ref("output_layer").shims[0]._model
    for parameter in network.parameters():
        parameter.data.copy_(parameter.new_tensor(rng.normal(scale=0.7, size=parameter.shape)))
    doc = nlp.make_doc(text)
    potentials = nlp.get_pipe("spancat").model.predict([doc])
    of_chains = []
    for chain in potentials.chains():
        scores = {s: math.exp(score_of(s, chain, chain.emissions[0])) for s in span_sets(len(doc))}
        total = math.fsum(scores.values())
        of_chains.append({spans: score / total for spans, score in scores.items()})
    # Labelled spans of each chain: any combination, as chains don't exclude one another
    sets = {}
    for chosen in itertools.product(*(of_chain.items() for of_chain in of_chains)):
        labelled = tuple(
            frozenset((*span, labels[i // levels]) for span in spans)
            for i, (spans, _) in enumerate(chosen)
        )
        sets[labelled] = math.prod(p for _, p in chosen)
    assert math.fsum(sets.values()) == pytest.approx(1.0)
    return nlp, doc, potentials, sets


def test_probabilities_are_those_of_enumerated_sets(unsure):
    nlp, doc, _, sets = unsure
    ner = nlp.get_pipe("spancat")
    doc = ner(doc.copy())
    group = doc.spans["candidates"]
    expected = {}
    for labelled, probability in sets.items():
        for span in frozenset().union(*labelled):
            expected[span] = expected.get(span, 0.0) + probability
    scored = zip(group, group.attrs["scores"])
    ours = {(s.start, s.end, s.label_): float(score) for s, score in scored}
    least = decoding.settings.LEAST_PROBABILITY
    assert ours.keys() == {span for span, p in expected.items() if p >= least}
    assert all(p == pytest.approx(expected[span], abs=1e-6) for span, p in ours.items())
    best = max(sets, key=sets.get)
    scored = list(zip(doc.spans[KEY], doc.spans[KEY].attrs["scores"]))
    assert {(s.start, s.end, s.label_) for s, _ in scored} == frozenset().union(*best)
    assert [p for _, p in scored] == pytest.approx(
        [expected[span.start, span.end, span.label_] for span, _ in scored], abs=1e-6
    )
    entropy = -math.fsum(p * math.log(p) for p in sets.values())
    assert ner.entropy([doc]) == pytest.approx([entropy], abs=1e-5)


def test_samples_have_the_frequencies_of_enumerated_sets(unsure):
    nlp, doc, _, sets = unsure
    ner = nlp.get_pipe("spancat")
    expected = {}
    for labelled, probability in sets.items():
        union = frozenset().union(*labelled)
        expected[union] = expected.get(union, 0.0) + probability
    docs = [doc.copy(), nlp.make_doc("")]
    drawn, of_empty = ner.sample(docs, 4000, seed=0)
    assert KEY not in docs[0].spans and of_empty == [[]] * 4000
    found = [[(span.start, span.end, span.label_) for span in entities] for entities in drawn]
    assert all(len(set(entities)) == len(entities) for entities in found)
    check_frequencies(map(frozenset, found), expected)


def test_the_samples_of_a_doc_do_not_depend_on_the_others(unsure):
    nlp, doc, _, _ = unsure
    ner = nlp.get_pipe("spancat")
    docs = [doc, nlp.make_doc("three two"), doc]

    def texts(drawn):
        return [[[(str(span), span.label_) for span in spans] for spans in one] for one in drawn]

    first, second, third = texts(ner.sample(docs, 20, seed=[5, 6, 7]))
    assert [first] == texts(ner.sample(docs[:1], 20, seed=[5]))
    assert [second] == texts(ner.sample(docs[1:2], 20, seed=[6]))
    assert first != third
    with pytest.raises(ValueError, match="2 seeds for 3 docs"):
        ner.sample(docs, 20, seed=[1, 2])
    with pytest.raises(ValueError, match="n of at least 1, but got 0"):
        ner.sample(docs, 0)


def levels_of(spans, labels, n_levels):
    """For each label and level its spans: the longest first, each where it overlaps no other."""
    chains = []
    for label in labels:
        levels = [[] for _ in range(n_levels)]
        of_label = [span for span in spans if span[2] == label]
        for start, end, _ in sorted(of_label, key=lambda span: (span[0] - span[1], span[0])):
            for level in levels:
                if all(end <= other[0] or other[1] <= start for other in level):
                    level.append((start, end, label))
                    break
        chains += levels
    return chains


@pytest.mark.parametrize(
    "gold, wrong",
    [
        ([], []),
        ([(0, 3, "A"), (1, 2, "B"), (1, 3, "B")], []),
        ([(0, 1, "A"), (2, 3, "A"), (0, 1, "B")], []),
        ([(0, 1, "A"), (0, 3, "A"), (2, 3, "A"), (1, 3, "A")], []),
        (None, [(0, 2, "A"), (1, 3, "B")]),
    ],
)
def test_the_loss_is_that_of_enumerated_sets(unsure, gold, wrong):
    nlp, doc, potentials, sets = unsure
    ner = nlp.get_pipe("spancat")
    expected = [frozenset(of_chain) for of_chain in levels_of(gold or [], ner.labels, ner.levels)]
    reference = doc.copy()
    if gold is not None:
        reference.spans[KEY] = [Span(reference, *span) for span in gold]
    reference.spans["wrong"] = [Span(reference, *span) for span in wrong]
    ner.incorrect_spans_key = "wrong"
    loss, gradient = ner.get_loss([Example(doc, reference)], potentials)
    fits = [
        p
        for labelled, p in sets.items()
        if (gold is None or list(labelled) == expected)
        and not frozenset().union(*labelled) & set(wrong)
    ]
    assert loss == pytest.approx(-math.log(math.fsum(fits)), abs=1e-5)
    n_chains = len(ner.labels) * ner.levels
    assert gradient.transitions.shape == potentials.transitions.shape == (n_chains, 5, 5)
    # Finite differences, at some emissions
    for token, tag in ((0, 0), (1, 7), (2, 14), (2, 11)):
        moved = potentials.plus(potentials.scaled(0.0))
        moved.emissions[0][token, tag] += 1e-2
        higher, _ = ner.get_loss([Example(doc, reference)], moved)
        moved.emissions[0][token, tag] -= 2e-2
        lower, _ = ner.get_loss([Example(doc, reference)], moved)
        slope = (higher - lower) / 2e-2
        assert gradient.emissions[0][token, tag] == pytest.approx(slope, abs=2e-4)


# Annotation


def test_docs_without_the_key_are_not_annotated_and_an_empty_group_is():
    nlp = trained()
    ner = nlp.get_pipe("spancat")
    doc = nlp.make_doc("I like London")
    without, empty = doc.copy(), doc.copy()
    empty.spans[KEY] = NO_SPANS
    before = ner.model.to_bytes()
    assert nlp.update([Example(doc, without)], sgd=Adam(0.01))["spancat"] == 0.0
    assert ner.model.to_bytes() == before
    assert nlp.update([Example(doc, empty)], sgd=Adam(0.01))["spancat"] > 0.0


def test_of_spans_of_one_label_the_longest_is_learned():
    data = [("I like London and Berlin.", [(7, 13, "LOC"), (7, 24, "LOC")])]
    assert found(trained(data=data)(data[0][0])) == [("London and Berlin", "LOC")]


def test_spans_of_one_label_within_one_another_are_learned_by_levels(tmp_path):
    text = "I like London and Berlin."
    nested = [(7, 24, "LOC"), (7, 13, "LOC"), (18, 24, "LOC"), (2, 24, "LOC")]
    data = [(text, nested), FLAT[0], ("Nothing here.", [])]
    expected = ["like London and Berlin", "London and Berlin", "London", "Berlin"]
    for levels in (1, 2, 3):
        nlp = trained(data=data, levels=levels)
        assert {span for span, _ in found(nlp(text))} == set(expected[: (1, 2, 4)[levels - 1]])
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert found(loaded(text)) == found(nlp(text))
    ner = loaded.get_pipe("spancat")
    assert ner.levels == 3
    with pytest.raises(AttributeError):
        ner.levels = 2
    ner.calibrate(make_examples(loaded, data))
    assert len(ner.cfg["label_biases"]) == 2
    assert ner.add_label("NEW") == 1
    assert set(found(loaded(text))) == set(found(nlp(text)))
    ner.threshold = ner.candidates_threshold = 0.5
    doc = loaded(text)
    assert set(found(doc, "candidates")) == set(found(doc)) == set(found(nlp(text)))
    ner.candidates_threshold = {"NEW": 0.0}
    assert {label for _, label in found(loaded(text), "candidates")} == {"NEW"}
    with pytest.raises(ValueError, match=r"levels of 'spancat' are 0"):
        make_nlp(levels=0)


def test_a_span_that_is_there_twice_takes_no_level():
    text, spans = "I like London and Berlin.", [(7, 24, "LOC"), (7, 24, "LOC"), (7, 13, "LOC")]
    nlp = trained(data=[(text, spans)], levels=2)
    assert {span for span, _ in found(nlp(text))} == {"London and Berlin", "London"}


def test_misaligned_spans_count_as_missing():
    nlp = spacy.blank("en")
    predicted = Doc(nlp.vocab, words=["I", "like", "London"])
    reference = Doc(nlp.vocab, words=["I", "like", "Lon", "don"], spaces=[True, True, False, False])
    reference.spans[KEY] = [Span(reference, 2, 3, "LOC"), Span(reference, 0, 2, "OTHER")]
    loc, other = span_annotation_of([Example(predicted, reference)], ["LOC", "OTHER"], KEY)
    assert loc.gold[0].sum(axis=1).tolist() == [1, 1, 5]
    assert other.gold[0].argmax(axis=1).tolist() == [1, 3, 0]
    assert other.gold[0].sum() == 3
    first, second, *_ = span_annotation_of(
        [Example(predicted, reference)], ["LOC", "OTHER"], KEY, levels=2
    )
    assert first.gold[0].sum(axis=1).tolist() == second.gold[0].sum(axis=1).tolist() == [1, 1, 5]


def test_unknown_labels_are_an_error_and_nothing_is_learned():
    nlp = trained()
    before = nlp.get_pipe("spancat").model.to_bytes()
    examples = make_examples(nlp, [("I like London", [(7, 13, "CITY")])])
    with pytest.raises(ValueError, match="CITY"):
        nlp.update(examples, sgd=Adam(0.01))
    assert nlp.get_pipe("spancat").model.to_bytes() == before


# What the component has in common with `bilstm_crf_ner`


def test_threshold_filter_and_candidates(overlapping):
    ner = overlapping.get_pipe("spancat")
    everything = found(overlapping(TEXTS[0]))
    assert len(everything) == 3
    ner.spans_filter = spacy.registry.misc.get("spacy.first_longest_spans_filter.v1")()
    assert found(overlapping(TEXTS[0])) == [("London and Berlin", "DOUBLE_LOC")]
    ner.spans_filter = None
    for threshold in (0.0001, 0.5):
        ner.threshold = threshold
        doc = overlapping(TEXTS[0])
        assert set(everything) <= set(found(doc))
        assert min(doc.spans[KEY].attrs["scores"]) >= threshold
        assert set(found(doc, "candidates")) >= set(everything)
        assert doc.spans[KEY][0]._.confidence == pytest.approx(doc.spans[KEY].attrs["scores"][0])
    ner.threshold = 1.0
    assert len(found(overlapping(TEXTS[0]))) < 3
    ner.threshold = {"LOC": 0.0001, "DOUBLE_LOC": 1.0, "PERSON": 1.0}
    of_locations = found(overlapping(TEXTS[0]))
    assert {label for _, label in of_locations} == {"LOC"}
    ner.threshold = 0.0001
    assert of_locations == [each for each in found(overlapping(TEXTS[0])) if each[1] == "LOC"]
    ner.threshold = None
    ner.candidates_threshold = {"LOC": 0.01}
    assert {label for _, label in found(overlapping(TEXTS[0]), "candidates")} == {"LOC"}
    ner.candidates_threshold = 0.01
    with pytest.raises(ValueError, match="threshold of 'spancat' is 2"):
        ner.threshold = 2


def test_labels_are_added_to_a_trained_model_and_nothing_is_forgotten():
    nlp = trained()
    ner = nlp.get_pipe("spancat")
    expected = found(nlp(TEXTS[0]))
    before = ner.model.predict([nlp.make_doc(TEXTS[0])])
    assert ner.add_label("NEW") == 1
    after = ner.model.predict([nlp.make_doc(TEXTS[0])])
    for one, other in zip(before.chains(), after.chains()):
        np.testing.assert_array_equal(one.emissions[0], other.emissions[0])
        np.testing.assert_array_equal(one.transitions, other.transitions)
    assert found(nlp(TEXTS[0])) == expected
    optimizer = nlp.resume_training()
    data = [*OVERLAPPING, ("It rains", [(3, 8, "NEW")])]
    examples = make_examples(nlp, data)
    optimizer.learn_rate = 0.02
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
        nlp.rehearse(examples, sgd=optimizer)
    assert found(nlp("It rains")) == [("rains", "NEW")]
    assert found(nlp(TEXTS[0])) == expected


def test_rehearsal_draws_to_the_teacher(overlapping):
    nlp = trained()
    ner = nlp.get_pipe("spancat")
    nlp.resume_training()
    docs = [nlp.make_doc(text) for text in TEXTS[:3]]
    examples = [Example(doc, doc) for doc in docs]
    assert nlp.rehearse(examples, sgd=None)["spancat"] == pytest.approx(0.0, abs=1e-5)
    network = ner.model.get_ref("output_layer").shims[0]._model
    network.emissions.bias.data[4::5] += 9.0  # entities of one token everywhere
    losses = [nlp.rehearse(examples, sgd=Adam(0.01))["spancat"] for _ in range(40)]
    assert losses[-1] < losses[0] / 2


def test_calibration_is_fitted_applied_and_saved(tmp_path):
    nlp = trained()
    ner = nlp.get_pipe("spancat")
    contrary = [("I like London and Berlin.", [(7, 24, "DOUBLE_LOC")]), FLAT[0]] * 5
    before = nlp(TEXTS[0]).spans[KEY].attrs["scores"].min()
    calibration = ner.calibrate(make_examples(nlp, contrary))
    assert calibration.temperature > 1.0 and len(calibration.label_biases) == 3
    assert calibration.label_biases[ner.labels.index("LOC")] < -0.1
    doc = nlp(TEXTS[0])
    assert [s for s in doc.spans[KEY].attrs["scores"] if s < before]
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path).get_pipe("spancat").cfg["temperature"]
    assert loaded == pytest.approx(calibration.temperature)
    with pytest.raises(ValueError, match="none of the examples has spans"):
        ner.calibrate([Example(nlp.make_doc("a"), nlp.make_doc("a"))])


def test_windows_and_sentences():
    nlp = trained(model={**SMALL_MODEL, "by_sentence": True}, sentences=True)
    one = " ".join(["I like London and Berlin."] * 6)
    whole = nlp(one)
    assert [span.text for span in whole.spans[KEY]].count("London and Berlin") == 6
    parts = [doc.spans[KEY].attrs["scores"] for doc in nlp.pipe(["I like London and Berlin."])]
    np.testing.assert_allclose(whole.spans[KEY].attrs["scores"][:3], parts[0], atol=1e-4)
    set_windows(nlp.get_pipe("spancat").model, 12, 3)
    assert found(nlp(one)) == found(whole)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_models_are_exported(precision):
    nlp = trained(model=char_embed_model(width=16, filters=8))
    expected = [found(doc) for doc in nlp.pipe(TEXTS)]
    exported = export(nlp, precision=precision)
    assert [found(doc) for doc in exported.nlp.pipe(TEXTS)] == expected
    loaded = spacy.blank("en").from_config(exported.nlp.config).from_bytes(exported.nlp.to_bytes())
    assert [found(doc) for doc in loaded.pipe(TEXTS)] == expected
    with pytest.raises(ValueError, match="can't be trained"):
        nlp.get_pipe("spancat").add_label("NEW")


def test_wrong_settings_and_models():
    with pytest.raises(ValueError, match="both 'sc'"):
        make_nlp(spans_key="sc", candidates_key="sc", candidates_threshold=0.1)
    with pytest.raises(ValueError, match="must be 'spacy-bilstm-crf"):
        make_nlp(
            model={
                "@architectures": "spacy.HashEmbedCNN.v2",
                "pretrained_vectors": None,
                "width": 8,
                "depth": 1,
                "embed_size": 10,
                "window_size": 1,
                "maxout_pieces": 2,
                "subword_features": False,
            }
        )
    nlp = trained()
    nlp.get_pipe("spancat").cfg["labels"].append("BEHIND ITS BACK")
    with pytest.raises(ValueError, match="labels"):
        nlp(TEXTS[0])
