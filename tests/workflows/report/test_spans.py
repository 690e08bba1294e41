"""Reports on entities that may overlap: `spancat`'s scorer is the oracle."""

import json

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows import report
from tests.helpers import make_nlp, spacy_command
from tests.nested import NESTED, nested_docs, trained_on_spans

# The pipelines have not seen the last doc
UNSEEN = [*NESTED, ("We saw the Bank of Oslo.", [(11, 23, "ORG"), (19, 23, "PLACE")])]
FACTORIES = ["bilstm_crf_spans", "spancat"]


@pytest.fixture(scope="module", params=FACTORIES)
def nlp(request):
    return trained_on_spans(request.param)


@pytest.fixture(scope="module")
def ours():
    return trained_on_spans()


def test_scores_are_those_of_evaluate(nlp):
    docs = [*nested_docs(UNSEEN), spacy.blank("en")("Not annotated.")]
    found = report(nlp, docs)
    expected = nlp.evaluate([Example(nlp.make_doc(doc.text), doc) for doc in docs])
    assert (found.numbers["n_docs"], found.numbers["n_not_annotated"]) == (5, 1)
    assert found.numbers["spans_key"] == "sc" and found.numbers["overall"]["gold"] == 8
    for name in ("precision", "recall", "f"):
        value = found.numbers["overall"][name]["value"]
        assert value == pytest.approx(expected[f"spans_sc_{name[0]}"]) and value > 0.5
        for label, of_label in expected["spans_sc_per_type"].items():
            ours = found.numbers["by_label"][label][name]["value"]
            assert (ours or 0.0) == pytest.approx(of_label[name[0]])
    assert found.numbers["slices"]["overlaps another entity"]["yes"]["gold"] == 6
    assert found.numbers["probabilities"]["n"] == found.numbers["overall"]["predicted"]
    assert found.numbers["missing_labels"] == {}


def test_missed_entities_have_their_probability(ours):
    pipe = ours.get_pipe("spancat")
    before, pipe.threshold = pipe.threshold, 1.0
    try:
        numbers = report(ours, nested_docs()).numbers
    finally:
        pipe.threshold = before
    missed = numbers["errors"]["missed"]["shown"]
    assert len(missed) == 6
    assert all(0.5 < each["gold"][0]["probability"] <= 1.0 for each in missed)


def test_entities_of_another_key(ours, nlp, tmp_path):
    ours.to_disk(tmp_path / "model")
    DocBin(docs=nested_docs(key="other"), store_user_data=True).to_disk(tmp_path / "other.spacy")
    command = ["bilstm-crf", "report", tmp_path / "model"]
    arguments = [tmp_path / "other.spacy", "--output", tmp_path / "out"]
    printed = spacy_command(*command, *arguments, exit_codes=(1,))
    assert "no entity in doc.spans['sc'] of any of them. doc.spans has: other." in printed
    printed = spacy_command(*command, *arguments, "--spans-key", "other", exit_codes=(1,))
    assert "sets no doc.spans['other']: it has spancat." in printed
    DocBin(docs=nested_docs(), store_user_data=True).to_disk(tmp_path / "sc.spacy")
    arguments = [tmp_path / "sc.spacy", "--output", tmp_path / "out", "--spans-key", "sc"]
    spacy_command(*command, *arguments, "--train", tmp_path / "sc.spacy")
    numbers = json.loads((tmp_path / "out" / "report.json").read_text())
    assert numbers["slices"]["in the training data"]["seen"]["gold"] == 6


def test_a_baseline_of_another_kind(ours, nlp):
    found = report(ours, nested_docs(UNSEEN), baseline=nlp)
    assert found.numbers["baseline"]["overall"]["gold"] == 8
    with pytest.raises(UserError, match=r"sets no doc.spans\['sc'\]: it has ner"):
        report(ours, nested_docs(), baseline=make_nlp())


def test_entities_of_the_pipeline_come_first_unless_a_key_is_given(ours):
    both = spacy.blank("en")
    both.add_pipe("entity_ruler").add_patterns([{"label": "PLACE", "pattern": "London"}])
    both.add_pipe("spancat", source=ours)
    docs = nested_docs()
    docs[2].ents = [docs[2].char_span(12, 18, "PLACE")]
    numbers = report(both, docs).numbers
    assert (numbers["spans_key"], numbers["overall"]["gold"]) == (None, 1)
    numbers = report(both, docs, spans_key="sc").numbers
    assert (numbers["spans_key"], numbers["overall"]["gold"]) == ("sc", 6)


def test_several_keys_are_a_question(ours):
    several = spacy.blank("en")
    several.add_pipe("spancat", source=ours)
    several.add_pipe("spancat", name="other", config={"spans_key": "more"})
    with pytest.raises(UserError, match=r"under several keys of doc.spans: more, sc\. One of them"):
        report(several, nested_docs())


def test_tokens_that_were_merged_afterwards(ours):
    nlp = spacy.blank("en")
    nlp.add_pipe("spancat", source=ours)
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": "Bank of England"}])
    nlp.add_pipe("merge_entities")
    with pytest.raises(UserError, match="has merged or split tokens"):
        report(nlp, nested_docs(), spans_key="sc")


def test_tokens_that_are_merged_behind_a_spancat_are_refused():
    """Its groups don't say for how many tokens they were made: they would pass for other spans."""
    nlp = trained_on_spans("spancat")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": [{}, {}]}])
    nlp.add_pipe("merge_entities")
    with pytest.raises(UserError, match=r"has merged or split tokens after doc\.spans"):
        report(nlp, nested_docs(), spans_key="sc")
