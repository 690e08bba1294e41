"""`calibrate` and what saves its result, for components whose entities overlap."""

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin, Span
from spacy.training import Example

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows import calibrate, set_threshold, shrink
from spacy_bilstm_crf.workflows.quality import examples_before, quality_of, quality_of_pipeline
from tests.helpers import spacy_command
from tests.inference.nested import OF_LEVELS, annotated, trained

NAME = "bilstm_crf_spans"


@pytest.fixture(scope="module", params=[1, 2], ids=["one level", "two levels"])
def folder(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("spans") / "model"
    trained(NAME, steps=30, data=OF_LEVELS, levels=request.param).to_disk(path)
    return path


@pytest.fixture
def nlp(folder):
    return spacy.load(folder)


def docs_of(nlp, key="sc"):
    return annotated(nlp, key, OF_LEVELS)


@pytest.fixture
def file(nlp, tmp_path):
    DocBin(docs=docs_of(nlp)).to_disk(tmp_path / "dev.spacy")
    return tmp_path / "dev.spacy"


def examples_of(nlp):
    return [Example(nlp.make_doc(doc.text), doc) for doc in docs_of(nlp)]


@pytest.mark.parametrize("threshold", [None, 0.05, 0.95])
def test_scores_are_those_of_spacy_and_of_the_loss(threshold, nlp):
    nlp.get_pipe(NAME).threshold = threshold
    examples = examples_of(nlp)
    found = quality_of_pipeline(nlp, examples)
    assert found == quality_of(nlp, examples_before(nlp, examples, NAME), NAME)
    expected = nlp.evaluate(examples_of(nlp))
    assert found.f == pytest.approx(expected["spans_sc_f"])
    spans = nlp.get_pipe(NAME)
    potentials = spans.model.predict([eg.predicted for eg in examples])
    assert found.nll == pytest.approx(spans.get_loss(examples, potentials)[0], rel=1e-4)
    bins = [[] for _ in range(10)]
    for example in examples_of(nlp):
        gold = {(span.start, span.end, span.label_) for span in example.reference.spans["sc"]}
        doc = nlp(example.text)
        group = doc.spans["sc"]
        for span, p in zip(group, group.attrs["scores"]):
            bins[min(int(p * 10), 9)].append(p - ((span.start, span.end, span.label_) in gold))
    n_found = sum(map(len, bins))
    assert found.ece == pytest.approx(sum(abs(sum(each)) for each in bins) / n_found, abs=1e-4)


def test_without_a_group_a_doc_is_not_docs_of(nlp):
    examples = examples_of(nlp)
    before = quality_of_pipeline(nlp, examples)
    spans = examples[0].reference.spans
    examples.append(Example(nlp.make_doc("Oslo."), nlp.make_doc("Oslo.")))
    assert quality_of_pipeline(nlp, examples) == before
    del spans["sc"]
    assert quality_of_pipeline(nlp, examples).nll != before.nll


def test_probabilities_are_fitted_and_saved(folder, file, tmp_path):
    arguments = ("--component", NAME, "--output", tmp_path / "out")
    printed = spacy_command("bilstm-crf", "calibrate", folder, file, *arguments)
    cfg = spacy.load(tmp_path / "out").get_pipe(NAME).cfg
    assert f"temperature {cfg['temperature']:.3f}" in printed
    biases = zip(("ORG", "PLACE", "WORK"), cfg["label_biases"])
    assert ", ".join(f"{label} {bias:.3f}" for label, bias in biases) in printed
    table = [line.split() for line in printed.splitlines()]
    (before,), (after,) = ([row for row in table if row[:1] == [n]] for n in ("before", "after"))
    assert float(before[3]) > float(after[3]) > 0.0
    assert spacy.load(folder).get_pipe(NAME).cfg["temperature"] == 1.0


def share_of_candidates(nlp, docs, label, least):
    """The number of docs with entities of a label, and the mean share that are candidates."""
    nlp.get_pipe(NAME).candidates_threshold = min(least, 1.0)
    shares = []
    for doc in docs:
        found_in = nlp(doc.text)
        likely = {(s.start, s.end, s.label_) for s in found_in.spans["candidates"]}
        gold = [(s.start, s.end, s.label_) for s in doc.spans["sc"] if label in ("", s.label_)]
        if gold:
            shares.append(np.mean([each in likely for each in gold]))
    return len(shares), np.mean(shares)


@pytest.mark.parametrize("per_label", [False, True])
def test_a_recall_is_that_of_the_candidates(per_label, nlp):
    docs = docs_of(nlp)
    found = calibrate(nlp, docs, component=NAME, recall=0.5, per_label=per_label)
    assert list(found.risk_control) == (["ORG", "PLACE", "WORK"] if per_label else [""])
    spans = nlp.get_pipe(NAME)
    thresholds = {label: control.threshold for label, control in found.risk_control.items()}
    assert spans.candidates_threshold == (thresholds if per_label else thresholds[""])
    for label, control in found.risk_control.items():
        # Probabilities of a text among others differ in their last digits
        n_docs, most = share_of_candidates(nlp, docs, label, control.threshold * (1 - 1e-5))
        _, least = share_of_candidates(nlp, docs, label, control.threshold * (1 + 1e-5))
        assert control.n_docs == n_docs
        assert least - 1e-9 <= control.found <= most + 1e-9 and control.found >= 0.5
    assert nlp.meta["risk_control"][NAME]
    calibrate(nlp, docs, component=NAME)
    assert not nlp.meta["risk_control"]


def test_what_can_not_be_calibrated_is_refused(nlp):
    docs = docs_of(nlp)
    unknown = docs_of(nlp)[:1]
    unknown[0].spans["sc"] = [Span(unknown[0], 0, 1, "CITY")]
    for data, message in (
        ([nlp.make_doc("Oslo.")], r"no entity in doc.spans\['sc'\] of any"),
        (docs_of(nlp, "other"), "has: other"),
        (unknown, r"labels that 'bilstm_crf_spans' lacks: CITY \(1\). It has ORG"),
    ):
        with pytest.raises(UserError, match=message):
            calibrate(nlp, data, component=NAME)
    with pytest.raises(UserError, match="no bilstm_crf_ner or bilstm_crf_spans component 'ner'"):
        calibrate(nlp, docs)


def test_docs_with_unknown_labels_are_left_out(folder):
    rest = calibrate(folder, docs_of(spacy.load(folder))[1:], component=NAME)
    assert not any("left out" in warning for warning in rest.warnings)
    docs = docs_of(spacy.load(folder))
    docs[0].spans["sc"] = [*docs[0].spans["sc"], Span(docs[0], 0, 1, "CITY")]
    found = calibrate(folder, docs, component=NAME)
    (warning,) = [each for each in found.warnings if "left out" in each]
    assert "lacks: CITY (1). It has ORG" in warning and f"left out: 1 of {len(docs)}." in warning
    assert found.calibration == rest.calibration
    assert (found.before, found.after) == (rest.before, rest.after)


def test_a_threshold_is_saved_and_used(folder, nlp, tmp_path):
    arguments = ("--component", NAME, "--output", tmp_path / "out")
    said = spacy_command("bilstm-crf", "set-threshold", folder, 0.4, *arguments)
    assert f"Saved '{NAME}' with the threshold 0.4 in" in said
    saved = spacy.load(tmp_path / "out")
    nlp.get_pipe(NAME).threshold = 0.4
    for doc in docs_of(nlp):
        one, other = nlp(doc.text), saved(doc.text)
        expected = [(span.text, span.label_) for span in one.spans["sc"]]
        assert [(span.text, span.label_) for span in other.spans["sc"]] == expected
    assert set_threshold(saved, None, component=NAME).get_pipe(NAME).threshold is None


def test_spacys_commands(folder, file, tmp_path):
    printed = spacy_command("evaluate", folder, file, "--output", tmp_path / "scores.json")
    assert "SPAN" in printed.upper()
    found = spacy_command(
        *("find-threshold", folder, file, NAME, "threshold", "spans_sc_f", "--n_trials", 3)
    )
    assert "threshold" in found.lower()


def test_a_recall_is_forgotten_when_vectors_are_shrunk(nlp):
    nlp.vocab.set_vector("Oslo", np.ones(4, dtype="float32"))
    nlp.vocab.set_vector("London", np.ones(4, dtype="float32"))
    calibrate(nlp, docs_of(nlp), component=NAME, recall=0.5)
    found = shrink(nlp, keep_words=1, data=docs_of(nlp))
    assert "candidates_threshold of 'bilstm_crf_spans'" in " ".join(found.warnings)
    assert found.before.f is not None
