"""`update`: new labels are learned, old ones are kept, and what could not be protected is said."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from thinc.api import Adam

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.training import soft_labels_of
from spacy_bilstm_crf.workflows import calibrate, lower_biases, retaining_examples, update
from tests.helpers import examples_for, make_nlp, spacy_command, train

PLACES = ["London", "Berlin", "Rome", "Paris", "Oslo", "Madrid", "Vienna", "Lisbon"]
PEOPLE = ["Ada", "Grace", "Alan", "Edith", "Kurt", "Emmy", "Karl", "Rosa"]
DRINKS = ["tea", "milk", "coffee", "juice"]
KNOWN = [
    (f"{person} likes {place}.", [(0, len(person), "PERSON"), (len(person) + 7, -1, "LOC")])
    for person, place in zip(PEOPLE, PLACES)
]
NEW = [(f"{person} drinks {drink}.", drink) for person, drink in zip(PEOPLE, DRINKS)]


@pytest.fixture
def old_docs():
    nlp = spacy.blank("en")
    docs = []
    for text, entities in KNOWN * 3:
        spans = [(start, len(text) - 1 if end < 0 else end, x) for start, end, x in entities]
        docs.append(Example.from_dict(nlp.make_doc(text), {"entities": spans}).reference)
    return docs


@pytest.fixture
def nlp(old_docs):
    nlp = make_nlp()
    train(nlp, [Example(nlp.make_doc(doc.text), doc) for doc in old_docs], steps=80)
    return nlp


@pytest.fixture
def new_docs():
    """Docs in which the new label alone is annotated, not the people in them."""
    nlp = spacy.blank("en")
    found = []
    for text, drink in NEW:
        start = text.index(drink)
        entities = {"entities": [(start, start + len(drink), "DRINK")]}
        found.append(Example.from_dict(nlp.make_doc(text), entities).reference)
    return found


def labels_in(nlp, text):
    return {ent.label_ for ent in nlp(text).ents}


@pytest.mark.parametrize("with_old", [False, True])
def test_a_new_label_is_learned_and_the_others_are_kept(nlp, old_docs, new_docs, with_old):
    found = update(nlp, new_docs, old_data=old_docs if with_old else None, dev=old_docs)
    assert found.nlp is nlp and found.added == ["DRINK"]
    assert found.completed == ["PERSON", "LOC"]
    before, after = found.scores["new data"]
    assert before.found == 0.0 and after.found >= 0.95
    before, after = found.scores["dev data"]
    assert before.known == 1.0 and after.known >= 0.95
    assert before.overused == 0.0 and after.overused <= 0.1
    assert ("held-out old data" in found.scores) == with_old
    assert any("Without old data" in warning for warning in found.warnings) != with_old
    # The person was not annotated in the new data, and is found in them all the same
    assert labels_in(nlp, NEW[0][0]) == {"PERSON", "DRINK"}
    assert nlp.get_pipe("ner").resume_factor == 0.025


def test_what_stock_training_forgets(nlp, new_docs, old_docs):
    """Without `update`, the same docs teach that people are no entities."""
    ner = nlp.get_pipe("ner")
    ner.resume_factor = 1.0
    ner.add_label("DRINK")
    optimizer = nlp.resume_training(sgd=Adam(0.01))
    train(nlp, [Example(nlp.make_doc(doc.text), doc) for doc in new_docs], 60, optimizer)
    assert "PERSON" not in labels_in(nlp, NEW[0][0])


def test_it_can_be_saved_and_updated_again(nlp, new_docs, tmp_path):
    update(nlp, new_docs).to_disk(tmp_path / "once")
    loaded = spacy.load(tmp_path / "once")
    again = update(loaded, new_docs)
    assert again.added == [] and again.scores["new data"][0].found >= 0.95
    assert loaded.get_pipe("ner").labels == ("PERSON", "LOC", "DRINK")


def test_a_recall_that_no_longer_holds_is_said(nlp, new_docs, old_docs):
    calibrate(nlp, old_docs, recall=0.8)
    (warning,) = update(nlp, new_docs, old_data=old_docs).warnings
    assert "calibrate --recall" in warning
    (warning,) = update(nlp, new_docs, old_data=old_docs).warnings
    assert "there was nothing to learn" in warning


def test_its_config_keeps_dollar_signs(nlp, new_docs, tmp_path):
    nlp.config["paths"]["train"] = "data$/train.spacy"
    update(nlp, new_docs, max_steps=1).to_disk(tmp_path / "out")
    assert spacy.load(tmp_path / "out").config["paths"]["train"] == "data$/train.spacy"


def taught_by_a_loop(nlp, new_docs):
    examples = retaining_examples(nlp, new_docs)
    assert len(examples) == 2 * len(new_docs)  # half of them have other words
    optimizer = nlp.resume_training(sgd=Adam(0.003))
    for _ in range(150):
        nlp.update(examples, sgd=optimizer, drop=0.2)


def test_the_documented_loop(nlp, new_docs):
    taught_by_a_loop(nlp, new_docs)
    lower_biases(nlp, new_docs, ["DRINK"])
    assert labels_in(nlp, NEW[1][0]) == {"PERSON", "DRINK"}
    assert labels_in(nlp, KNOWN[0][0]) == {"PERSON", "LOC"}


def test_biases_are_lowered_while_the_entities_are_found(nlp, new_docs, old_docs):
    taught_by_a_loop(nlp, new_docs)
    ner = nlp.get_pipe("ner")
    # A bias at which the new label is found everywhere
    ner.cfg["label_biases"] = (0.0, 0.0, 12.0)
    assert "DRINK" in labels_in(nlp, KNOWN[0][0])
    assert lower_biases(nlp, new_docs, ["DRINK"], old_data=old_docs) == -1.5
    assert ner.cfg["label_biases"] == (0.0, 0.0, 10.5)
    # Found in no old text, so that it can stay as it is
    ner.cfg["label_biases"] = (0.0, 0.0, 0.0)
    assert lower_biases(nlp, new_docs, ["DRINK"], old_data=old_docs) == 0.0
    assert ner.cfg["label_biases"] == (0.0, 0.0, 0.0)
    # It would be found no more
    ner.cfg["label_biases"] = (0.0, 0.0, -30.0)
    assert lower_biases(nlp, new_docs, ["DRINK"], old_data=new_docs) == 0.0
    with pytest.raises(UserError, match="has no label 'FOOD'"):
        lower_biases(nlp, new_docs, ["FOOD"])


def test_the_target_is_the_distribution_given_the_annotation(nlp, new_docs):
    ner = nlp.get_pipe("ner")
    before = ner.token_probabilities([nlp.make_doc(new_docs[0].text)])[0]
    (example,) = retaining_examples(nlp, new_docs[:1], changed=False)
    soft = soft_labels_of(example)
    assert soft.teacher.labels == ["PERSON", "LOC", "DRINK"]
    drink = next(ent for ent in example.reference.ents if ent.label_ == "DRINK")
    tags = ner.tags
    assert tags[soft.emissions[drink.start].argmax()] == "U-DRINK"
    others = [i for i in range(len(example.reference)) if i != drink.start]
    # Elsewhere what the pipeline knew is unchanged, and the new label is ruled out
    assert (soft.emissions[others][:, 9:] == -50.0).all()
    known = ner.model.predict([nlp.make_doc(new_docs[0].text)]).emissions[0]
    np.testing.assert_allclose(soft.emissions[others][:, :9], known[others][:, :9], atol=1e-5)
    assert before.shape[1] == 9


def test_docs_of_words_keep_their_words_in_changed_copies(nlp):
    words = ["Ada", "drinks", "tea-less", "tea", "."]
    doc = Doc(nlp.vocab, words=words, ents=["O", "O", "O", "B-DRINK", "O"])
    assert doc.has_unknown_spaces
    _, changed = retaining_examples(nlp, [doc])
    for one in (changed.predicted, changed.reference):
        assert one.has_unknown_spaces and len(one) == len(words)
        assert one[2].text == "tea-less"


def test_a_ruler_before_it_may_have_labels_of_its_own(nlp, new_docs):
    ruler = nlp.add_pipe("entity_ruler", before="ner")
    ruler.add_patterns([{"label": "VERB", "pattern": "drinks"}])
    assert update(nlp, new_docs, max_steps=2).added == ["DRINK"]
    for example in retaining_examples(nlp, new_docs):
        labels = {ent.label_ for ent in example.reference.ents}
        assert labels <= {"PERSON", "LOC", "DRINK"}


def test_missing_tokens_stay_missing(nlp, new_docs):
    doc = new_docs[0]
    doc.set_ents(list(doc.ents), default="missing")
    (example,) = retaining_examples(nlp, [doc], changed=False)
    assert soft_labels_of(example) is None
    assert {ent.label_ for ent in example.reference.ents} == {"PERSON", "DRINK"}
    assert example.reference[-1].ent_iob_ == ""


def test_what_cannot_be_done_is_said(nlp, new_docs, old_docs):
    old_docs[0].set_ents([old_docs[0].char_span(0, 3, label="ANIMAL")])
    with pytest.raises(UserError, match="neither the pipeline nor the new data have: ANIMAL"):
        update(nlp, new_docs, old_data=old_docs)
    with pytest.raises(UserError, match="max_steps"):
        update(nlp, new_docs, max_steps=0)
    found = update(nlp, new_docs, max_steps=1)
    assert any("Only 0%" in warning for warning in found.warnings)


def test_the_command(nlp, new_docs, old_docs, tmp_path):
    nlp.to_disk(tmp_path / "old")
    DocBin(docs=new_docs).to_disk(tmp_path / "new.spacy")
    DocBin(docs=old_docs).to_disk(tmp_path / "old.spacy")
    printed = spacy_command(
        "bilstm-crf",
        "update",
        tmp_path / "old",
        tmp_path / "new.spacy",
        "--output",
        tmp_path / "out",
        "--old-data",
        tmp_path / "old.spacy",
    )
    assert "held-out old data: F of the known labels" in printed
    assert "PERSON, LOC" in printed
    assert "DRINK" in spacy.load(tmp_path / "out").get_pipe("ner").labels


def moved_by(nlp, factor):
    """How far one step on a new label moves each parameter of the last layer."""
    ner = nlp.get_pipe("ner")
    ner.add_label("DRINK")
    ner.resume_factor = factor
    network = ner.model.get_ref("output_layer").shims[0]._model
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    data = examples_for(nlp, [("I drink tea", {"entities": [(8, 11, "DRINK")]})])
    optimizer = nlp.resume_training(sgd=Adam(0.01, use_averages=True))
    nlp.update(data, sgd=optimizer)
    key = (ner.model.get_ref("output_layer").shims[0].id, "emissions.weight")
    np.testing.assert_allclose(  # the first average is 10 % of the way from zero
        optimizer.averages[key], 9 / 11 * network.emissions.weight.detach().numpy(), atol=1e-5
    )
    return {name: (p - before[name]).detach().numpy() for name, p in network.named_parameters()}


def test_training_after_resume_takes_smaller_steps(nlp, tmp_path):
    """The new tags take whole steps, all else the share that the setting says."""
    nlp.to_disk(tmp_path)
    whole, small = (moved_by(spacy.load(tmp_path), factor) for factor in (1.0, 0.1))
    for name, step in whole.items():
        if name.startswith("lstms"):
            np.testing.assert_allclose(small[name], 0.1 * step, atol=1e-6)
    weight = "emissions.weight"
    assert np.abs(whole[weight][9:]).max() > 0.005
    np.testing.assert_allclose(small[weight][9:], whole[weight][9:], atol=1e-6)
    np.testing.assert_allclose(small[weight][:9], 0.1 * whole[weight][:9], atol=1e-6)
