"""Sets of tag sequences that contain the right one: by enumeration, and by what the bound says."""

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows import calibrate, export
from spacy_bilstm_crf.workflows.coverage import annotated_probabilities, least_probability
from tests.helpers import make_nlp, spacy_command, trained_nlp, unsure_nlp

WORDS = ["Who", "is", "London", "Khan", "?"]
COVERAGE = 0.8


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(1, 1000), min_size=10, max_size=60, unique=True),
    st.sampled_from([0.5, 0.75, 0.9]),
)
def test_the_bound_is_that_of_exchangeable_documents(thousandths, coverage):
    """Each document in turn is the new one: as many are covered as the theorem says, no more."""
    probabilities, n_covered = [n / 1000 for n in thousandths], 0
    for i, p in enumerate(probabilities):
        others = probabilities[:i] + probabilities[i + 1 :]
        n_covered += p >= least_probability(others, coverage)
    n_docs = len(probabilities)
    assert coverage - 1e-9 <= n_covered / n_docs <= coverage + 1 / n_docs + 1e-9


def test_too_few_documents():
    with pytest.raises(ValueError, match=r"0\.95 needs 19 annotated documents, but there are 18"):
        least_probability([0.5] * 18, 0.95)
    assert least_probability([0.5] * 19, 0.95) == pytest.approx(0.5)
    with pytest.raises(ValueError, match=r"coverage is 1\.0, but it must be above 0 and below 1"):
        least_probability([0.5] * 19, 1.0)


@pytest.fixture(scope="module", params=["torch", "float32"])
def nlp(request):
    nlp = unsure_nlp()
    return nlp if request.param == "torch" else export(nlp).nlp


def new_doc(nlp):
    return Doc(nlp.vocab, words=WORDS)


def test_annotated_probabilities_are_those_of_enumeration(nlp):
    ner = nlp.get_pipe("ner")
    every = {
        tuple((ent.start, ent.end, ent.label_) for ent in ents): p
        for ents, p in ner.k_best(new_doc(nlp), 100_000)
    }
    chosen = list(every)[::37]
    examples = []
    for spans in chosen:
        reference = new_doc(nlp)
        reference.ents = [Span(reference, *span) for span in spans]
        examples.append(Example(new_doc(nlp), reference))
    empty = Doc(nlp.vocab)
    unknown = new_doc(nlp)
    unknown.ents = [Span(unknown, 0, 1, "EVENT")]
    within = Doc(nlp.vocab, words=["Who", "is", "Lon", "don", "Khan", "?"])
    within = Doc(nlp.vocab, words=within.text.split(), spaces=[1, 1, 0, 1, 1, 0])
    within.ents = [Span(within, 2, 3, "LOC")]
    others = [(empty, empty, 1.0), (new_doc(nlp), unknown, 0.0), (new_doc(nlp), within, 0.0)]
    examples += [Example(doc, reference) for doc, reference, _ in others]
    expected = [every[spans] for spans in chosen] + [p for *_, p in others]
    one_by_one = [p for eg in examples for p in annotated_probabilities(ner, [eg])]
    assert one_by_one == pytest.approx(expected, abs=1e-7)
    # A batch adds up float32 scores in another order
    assert annotated_probabilities(ner, examples) == pytest.approx(expected, rel=1e-6, abs=1e-7)


def test_sets_are_those_of_enumeration(nlp):
    ner = nlp.get_pipe("ner")
    every = ner.k_best(new_doc(nlp), 100_000)
    for least in (0.5, 0.02, 0.001, 1e-5):
        ner.least_of_set = least
        found = ner.sequence_set(new_doc(nlp), most=100_000)
        expected = [p for _, p in every if p >= least] or [every[0][1]]
        assert found.is_complete
        assert [p for _, p in found.sequences] == pytest.approx(expected, rel=1e-9)
    ner.least_of_set = 1e-12
    few = ner.sequence_set(new_doc(nlp), most=10)
    assert not few.is_complete and len(few.sequences) == 10
    assert ner.sequence_set(Doc(nlp.vocab)) == ([([], 1.0)], True)
    with pytest.raises(ValueError, match="most of at least 1, but got 0"):
        ner.sequence_set(new_doc(nlp), most=0)
    ner.least_of_set = None
    with pytest.raises(ValueError, match="no sets of tag sequences yet: run calibrate --coverage"):
        ner.sequence_set(new_doc(nlp))
    with pytest.raises(ValueError, match=r"least_of_set of 'ner' is 0\.0, but it must be"):
        ner.least_of_set = 0.0


def data_of(nlp, n_docs=40):
    """Docs whose annotation is drawn from the model itself, so that it is exactly calibrated."""
    docs = []
    for i in range(n_docs):
        doc = Doc(nlp.vocab, words=[*WORDS[i % 3 :], *WORDS[: i % 5]])
        docs.append(doc)
    for doc, (ents,) in zip(docs, nlp.get_pipe("ner").sample(docs, 1, seed=0)):
        doc.ents = ents
    return docs


def test_calibrate_keeps_sets_with_the_pipeline(nlp, tmp_path):
    docs = data_of(nlp)
    partly = new_doc(nlp)
    partly.set_ents([], missing=[partly[0:1]], default="outside")
    found = calibrate(nlp, [*docs, partly], coverage=COVERAGE)
    assert any("1 of the documents are left out" in warning for warning in found.warnings)
    assert found.coverage.n_docs == len(docs) and found.calibration is None
    found.to_disk(tmp_path / "out")
    loaded = spacy.load(tmp_path / "out")
    ner = loaded.get_pipe("ner")
    assert ner.least_of_set == pytest.approx(found.coverage.least)
    assert loaded.meta["coverage"]["ner"]["n_docs"] == len(docs)
    sizes, n_covered = [], 0
    for doc in docs:
        sequences, is_complete = ner.sequence_set(Doc(loaded.vocab, words=[t.text for t in doc]))
        gold = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
        n_covered += gold in [[(e.start, e.end, e.label_) for e in ents] for ents, _ in sequences]
        sizes.append(len(sequences))
        assert is_complete
    assert n_covered / len(docs) >= COVERAGE
    assert np.mean(sizes) == pytest.approx(found.coverage.mean_size)
    # Other probabilities make them void
    calibrated = calibrate(loaded, docs)
    assert calibrated.nlp.get_pipe("ner").least_of_set is None
    assert not calibrated.nlp.meta["coverage"]


def test_new_documents_are_covered():
    """Half of the documents for the fit, half new, many times."""
    nlp = unsure_nlp()
    ner = nlp.get_pipe("ner")
    docs = data_of(nlp, 400)
    blank = [Doc(nlp.vocab, words=[t.text for t in doc]) for doc in docs]
    p = np.array(annotated_probabilities(ner, [Example(*pair) for pair in zip(blank, docs)]))
    rng, covered = np.random.default_rng(0), []
    for _ in range(200):
        order = rng.permutation(len(p))
        fitted, new = p[order[:200]], p[order[200:]]
        covered.append((new >= least_probability(list(fitted), COVERAGE)).mean())
    assert COVERAGE - 0.01 <= np.mean(covered) <= COVERAGE + 0.02


def test_what_can_not_be_covered():
    nlp = trained_nlp()
    docs = [nlp.make_doc("I like London.") for _ in range(20)]
    for doc in docs:
        doc.ents = [Span(doc, 2, 3, "EVENT")]
    with pytest.raises(UserError, match=r"0\.9 can't be reached: the annotation of 20 of 20"):
        calibrate(nlp, docs, coverage=0.9)
    with pytest.raises(UserError, match="needs 999 annotated documents, but there are 20"):
        calibrate(nlp, docs, coverage=0.999)
    with pytest.raises(UserError, match="run one after the other"):
        calibrate(nlp, docs, coverage=0.9, recall=0.9)
    spans = make_nlp("bilstm_crf_spans")
    spans.initialize()
    for doc in docs:
        doc.spans["sc"] = [Span(doc, 2, 3, "LOC")]
    with pytest.raises(UserError, match="--coverage needs a bilstm_crf_ner, and 'ner' has no"):
        calibrate(spans, docs, coverage=0.9)


def test_the_command(tmp_path):
    nlp = unsure_nlp()
    nlp.to_disk(tmp_path / "model")
    DocBin(docs=data_of(nlp)).to_disk(tmp_path / "dev.spacy")
    folders = (tmp_path / "model", tmp_path / "dev.spacy", "--output", tmp_path / "out")
    said = spacy_command("bilstm-crf", "calibrate", *folders, "--coverage", 0.8)
    assert "On these 40 documents a set has" in said
    assert spacy.load(tmp_path / "out").get_pipe("ner").least_of_set > 0
