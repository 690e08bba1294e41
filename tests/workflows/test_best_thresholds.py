"""`calibrate --best-f`: spaCy's scorers and trying every threshold are the oracle."""

import itertools

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import Adam

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.decoding import Entity
from spacy_bilstm_crf.workflows import best_thresholds, calibrate, export
from spacy_bilstm_crf.workflows.best_thresholds import Competing, best_by_label, best_common, f_beta
from tests.helpers import SMALL_MODEL, spacy_command

NER, SPANS = "bilstm_crf_ner", "bilstm_crf_spans"
LABELS = ["LOC", "PERSON", "RARE"]
# Words, and the probabilities of their labels and of none
NAMES = {
    "Oslo": (0.9, 0.0, 0.0, 0.1),
    "Ada": (0.0, 0.45, 0.02, 0.53),
    "Florence": (0.3, 0.3, 0.02, 0.38),
    "May": (0.05, 0.25, 0.0, 0.7),
    "said": (0.0, 0.0, 0.0, 1.0),
}
GRID = [0.1, 0.25, 0.4, 0.55, 0.7, 0.85]


def noisy_docs(nlp, n_docs, seed):
    """Docs whose annotation no model can know for certain."""
    random = np.random.default_rng(seed)
    docs = []
    for i in range(n_docs):
        doc = Doc(nlp.vocab, words=[str(word) for word in random.choice(list(NAMES), 6)])
        spans, end = [], 0
        for start in range(6):
            label = random.choice([*LABELS, ""], p=NAMES[doc[start].text])
            if start >= end and label:
                end = start + 1 + (start < 5 and random.random() < 0.2)
                spans.append(Span(doc, start, end, str(label)))
        doc.ents = spans
        crossing = [Span(doc, 0, 3, "LOC"), Span(doc, 1, 2, "LOC")] if i % 3 == 0 else []
        doc.spans["sc"] = list({(s.start, s.end, s.label): s for s in [*spans, *crossing]}.values())
        docs.append(doc)
    docs[0].set_ents([], missing=[docs[0][:]])
    docs[1].set_ents([Span(docs[1], 0, 1, "LOC")], missing=[docs[1][3:]], default="outside")
    return docs


@pytest.fixture(scope="module", params=[NER, SPANS, "levels"])
def folder(request, tmp_path_factory):
    name = NER if request.param == NER else SPANS
    fix_random_seed(0)
    nlp = spacy.blank("en")
    config = {"levels": 2} if request.param == "levels" else {}
    nlp.add_pipe(name, name="ner", config={"model": SMALL_MODEL, **config})
    examples = [
        Example(Doc(doc.vocab, words=[t.text for t in doc]), doc) for doc in noisy_docs(nlp, 80, 0)
    ]
    nlp.initialize(lambda: examples)
    for _ in range(30):
        nlp.update(examples, sgd=Adam(0.01))
    path = tmp_path_factory.mktemp("noisy") / "model"
    nlp.to_disk(path)
    return path


@pytest.fixture
def nlp(folder, monkeypatch):
    monkeypatch.setattr(best_thresholds, "TRIED", GRID)
    return spacy.load(folder)


def scores_of(nlp, docs, beta=1.0):
    """F of all entities and of each label, from what spaCy's own scorer says."""
    examples = [Example(Doc(nlp.vocab, words=[t.text for t in doc]), doc) for doc in docs]
    found = nlp.evaluate(examples)
    key = "ents" if "ents_f" in found else "spans_sc"

    def f(p, r):
        return (1 + beta**2) * p * r / (beta**2 * p + r) if p and r else 0.0

    by_label = {label: f(each["p"], each["r"]) for label, each in found[f"{key}_per_type"].items()}
    return f(found[f"{key}_p"], found[f"{key}_r"]), by_label


@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_one_threshold_for_all_is_the_best_of_all(beta, nlp):
    docs = noisy_docs(nlp, 60, 1)
    ner = nlp.get_pipe("ner")
    before, _ = scores_of(nlp, docs, beta)
    found = calibrate(nlp, docs, best_f=True, beta=beta).best_f
    assert ner.threshold == found.overall.threshold
    assert found.overall.before == pytest.approx(before)
    after = {}
    for threshold in GRID:
        ner.threshold = threshold
        after[threshold], _ = scores_of(nlp, docs, beta)
    assert found.overall.after == pytest.approx(max(after.values()))
    assert after[found.overall.threshold] == pytest.approx(max(after.values()))
    assert len(set(after.values())) > 2


@pytest.mark.parametrize("beta", [1.0, 0.7])
def test_no_other_threshold_of_a_label_is_better(beta, nlp):
    """The mean F of the labels, and where labels don't compete the F of the label itself."""
    docs = noisy_docs(nlp, 60, 1)
    ner = nlp.get_pipe("ner")
    common = calibrate(nlp, docs, best_f=True, beta=beta).best_f
    found = calibrate(nlp, docs, best_f=True, per_label=True, beta=beta).best_f
    chosen = {label: each.threshold for label, each in found.by_label.items()}
    assert ner.threshold == chosen and list(chosen) == LABELS
    _, by_label = scores_of(nlp, docs, beta)
    for label, each in found.by_label.items():
        assert each.after == pytest.approx(by_label[label])
        assert each.n_entities == sum(
            e.label_ == label
            for doc in docs
            for e in (doc.spans["sc"] if "levels" in ner.cfg else doc.ents)
        )
    assert found.mean.after >= common.mean.after
    assert found.by_label["RARE"].has_common and chosen["RARE"] == common.overall.threshold
    for label in ("LOC", "PERSON"):
        assert not found.by_label[label].has_common
        tried = set()
        for threshold in GRID:
            ner.threshold = {**chosen, label: threshold}
            _, others = scores_of(nlp, docs, beta)
            tried.add(others[label])
            # spaCy leaves out labels that it finds nowhere
            assert sum(others.values()) / 3 <= found.mean.after + 1e-9
            if "levels" in ner.cfg:
                assert others[label] <= found.by_label[label].after + 1e-9
        assert len(tried) > 2


def test_an_exported_pipeline_and_others_around_it(folder, nlp, tmp_path):
    docs = noisy_docs(nlp, 60, 1)
    exported = export(spacy.load(folder)).nlp
    exported.add_pipe("merge_entities")
    found = [calibrate(each, docs, best_f=True, per_label=True).best_f for each in (nlp, exported)]
    thresholds = [{name: one.threshold for name, one in each.by_label.items()} for each in found]
    assert thresholds[0] == thresholds[1] == exported.get_pipe("ner").threshold
    exported.to_disk(tmp_path / "saved")
    saved = spacy.load(tmp_path / "saved")
    assert saved.get_pipe("ner").threshold == thresholds[0]
    for doc in docs:
        one, other = (
            [(e.text, e.label_) for e in (*of.ents, *of.spans.get("sc", []))]
            for of in (
                nlp(Doc(nlp.vocab, words=[t.text for t in doc])),
                saved(Doc(saved.vocab, words=[t.text for t in doc])),
            )
        )
        assert one == other


entity = st.builds(
    lambda start, length, label, p: Entity(start, start + length, label, p),
    *(st.integers(0, 4), st.integers(1, 3), st.integers(0, 1), st.sampled_from([0.2, 0.5, 0.8])),
)
competing = st.lists(entity, max_size=5, unique_by=lambda each: each.span).flatmap(
    lambda entities: st.builds(
        lambda right: Competing(
            [entities], {e.span: is_right for e, is_right in zip(entities, right)}
        ),
        st.lists(st.booleans(), min_size=len(entities), max_size=len(entities)),
    )
)


@given(
    st.lists(competing, max_size=4),
    st.integers(0, 3),
    st.integers(1, 3),
    st.sampled_from([0.5, 1, 2]),
)
def test_thresholds_against_all_others(groups, missed, other, beta):
    gold = np.array([missed, other])
    for group in groups:
        for (_, _, label), is_right in group.is_right.items():
            gold[label] += is_right

    def f_of(thresholds):
        counts = sum((group.counts(thresholds) for group in groups), np.zeros((2, 2), dtype=int))
        micro = f_beta(*counts.sum(axis=0), gold.sum(), beta)
        by_label = f_beta(counts[:, 0], counts[:, 1], gold, beta)
        return float(micro), float(by_label[gold > 0].mean())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(best_thresholds, "TRIED", GRID)
        patch.setattr(best_thresholds, "FEWEST", 1)
        common = best_common(groups, 2, gold.sum(), beta)
        assert f_of([common] * 2)[0] == pytest.approx(max(f_of([p] * 2)[0] for p in GRID))
        chosen = best_by_label(groups, gold, common, beta)
    best = f_of(chosen)[1]
    assert best >= f_of([common] * 2)[1] - 1e-9
    singles = [[p, chosen[1]] for p in GRID if gold[0]] + [[chosen[0], p] for p in GRID]
    assert best == pytest.approx(max(f_of(each)[1] for each in singles))
    if all(len({span[2] for span in group.is_right}) < 2 for group in groups) and gold[0]:
        # Labels that don't compete
        assert best == pytest.approx(max(f_of(pair)[1] for pair in itertools.product(GRID, GRID)))


def test_of_equals_the_one_near_half_of_f():
    sure = [Competing([[Entity(0, 1, 0, 0.95)]], {(0, 1, 0): True})]
    assert best_common(sure, 1, 1, 1.0) == 0.5  # F is 1 up to 0.95
    assert best_common(sure, 1, 4, 1.0) == 0.2  # 2 / (1 + 4) = 0.4
    assert best_common(sure, 1, 1, 2.0) == 0.2
    assert best_common([], 1, 1, 1.0) in best_thresholds.TRIED


def test_what_can_not_be_is_refused(folder, nlp, tmp_path):
    docs = noisy_docs(nlp, 10, 1)
    other = [doc.copy() for doc in docs]
    for doc in other:
        doc.ents = [Span(doc, 0, 1, "CITY")]
        doc.spans["sc"] = doc.ents
    for data, arguments, message in (
        (docs, {"best_f": True, "recall": 0.9}, "run one after the other"),
        (docs, {"per_label": True}, "--per-label needs --recall.* or --best-f"),
        (docs, {"beta": 2.0}, "--beta needs --best-f"),
        (docs, {"best_f": True, "beta": 0.0}, "--beta must be above 0, but is 0.0"),
        (docs, {"best_f": True, "beta": float("nan")}, "--beta must be above 0, but is nan"),
        (other, {"best_f": True}, "None of the annotated entities has a label of 'ner': LOC, "),
    ):
        with pytest.raises(UserError, match=message):
            calibrate(nlp, data, **arguments)
    assert nlp.get_pipe("ner").threshold is None
    found = calibrate(nlp, [*docs, *other], best_f=True)
    assert "'ner' lacks: CITY (10)" in found.warnings[-1] and "missed" in found.warnings[-1]
    assert found.best_f.overall.after == pytest.approx(scores_of(nlp, [*docs, *other])[0])


def test_the_command(folder, nlp, tmp_path):
    DocBin(docs=noisy_docs(nlp, 60, 1), store_user_data=True).to_disk(tmp_path / "dev.spacy")
    options = ("--best-f", "--per-label", "--beta", 2, "--output", tmp_path / "out")
    printed = spacy_command("bilstm-crf", "calibrate", folder, tmp_path / "dev.spacy", *options)
    table = {line.split()[0]: line.split() for line in printed.splitlines() if line.strip()}
    thresholds = spacy.load(tmp_path / "out").get_pipe("ner").threshold
    for label, threshold in thresholds.items():
        assert table[label][2].strip("*") == f"{threshold:.2f}"
    assert table["RARE"][2].endswith("*") and "F2 before" in printed
    assert "* Fewer than 20 annotated entities" in printed
    found = calibrate(folder, tmp_path / "dev.spacy", best_f=True, per_label=True, beta=2.0).best_f
    assert table["all"][-1] == f"{100 * found.overall.after:.2f}"
    assert table["mean"][-1] == f"{100 * found.mean.after:.2f}"
    config = spacy.util.load_config(tmp_path / "out" / "config.cfg")
    assert config["components"]["ner"]["threshold"] == thresholds
