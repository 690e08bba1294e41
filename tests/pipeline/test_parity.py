"""What spaCy defines for `ner`, run with the stock component and with ours side by side.

The behaviours are those of spaCy's own tests of its entity recognizer.
"""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy import registry
from spacy.lookups import Lookups
from spacy.tokens import Doc, Span
from spacy.training import Example

from tests.helpers import entities, examples_for, iobs, make_nlp, train, trained_nlp, weights
from tests.systems import FORKS

pytestmark = [
    pytest.mark.usefixtures("kind_of_arrays"),
    pytest.mark.parametrize("factory", ["ner", "bilstm_crf_ner"]),
]

WRONG = "non_entities"


def test_meta_data_of_the_factory(factory):
    stock, ours = (spacy.blank("en").get_factory_meta(name) for name in ("ner", factory))
    ours_alone = [] if factory == "ner" else ["doc.spans", "span._.confidence"]
    assert list(ours.assigns) == [*stock.assigns, *ours_alone]
    assert ours.default_score_weights == stock.default_score_weights
    assert ours.default_config["scorer"] == stock.default_config["scorer"]


def test_labels_with_hyphens(factory):
    nlp = make_nlp(factory, labels=["LARGE-ANIMAL"])
    ner = nlp.get_pipe("ner")
    assert ner.labels == ("LARGE-ANIMAL",)
    examples = examples_for(nlp, [("A big cat", {"entities": [(2, 9, "LARGE-ANIMAL")]})])
    train(nlp, examples)
    assert entities(nlp("A big cat")) == [("big cat", "LARGE-ANIMAL")]


def test_adding_labels(factory):
    ner = spacy.blank("en").add_pipe(factory)
    assert ner.add_label("NEW") == 1
    assert ner.add_label("NEW") == 0
    assert "NEW" in ner.vocab.strings
    assert ner.labels == ("NEW",)
    with pytest.raises((ValueError, TypeError)):
        ner.add_label([1])


def test_labels_come_back_in_another_pipeline(factory):
    nlp = make_nlp(factory, labels=["CITIZENSHIP"])
    nlp2 = make_nlp(factory, labels=["CITIZENSHIP"])
    nlp2.from_bytes(nlp.to_bytes())
    assert nlp2.get_pipe("ner").labels == ("CITIZENSHIP",)


def test_labels_are_found_in_the_examples(factory):
    nlp = spacy.blank("en")
    ner = nlp.add_pipe(factory)
    nlp.initialize(lambda: examples_for(nlp))
    assert sorted(ner.labels) == ["LOC", "PERSON"]


def test_label_data_initializes_another_component(factory):
    nlp = spacy.blank("en")
    ner = nlp.add_pipe(factory)
    nlp.initialize(lambda: examples_for(nlp))
    data = ner.label_data
    nlp2 = spacy.blank("en")
    ner2 = nlp2.add_pipe(factory)
    ner2.initialize(lambda: examples_for(nlp2), nlp=nlp2, labels=data)
    assert sorted(ner2.labels) == ["LOC", "PERSON"]


def test_many_labels(factory):
    nlp = make_nlp(factory, labels=[str(i) for i in range(300)])
    optimizer = nlp.create_optimizer()
    example = Example.from_dict(nlp.make_doc("One sentence"), {"entities": []})
    for _ in range(3):
        nlp.update([example], sgd=optimizer, drop=0.5)
    assert iobs(nlp("One sentence")) == ["O", "O"]


def test_untrained_predicts_nothing(factory):
    doc = make_nlp(factory)("John is watching the news about Croatia's elections")
    assert iobs(doc) == ["O"] * 9
    assert doc.has_annotation("ENT_IOB")


def test_ruler_after(factory):
    nlp = make_nlp(factory)
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "THING", "pattern": "This"}])
    doc = nlp("This is Antti Korhonen")
    assert iobs(doc) == ["B", "O", "O", "O"]
    assert doc[0].ent_type_ == "THING"


def test_ruler_before(factory):
    nlp = make_nlp(factory)
    ruler = nlp.add_pipe("entity_ruler", before="ner")
    ruler.add_patterns([{"label": "THING", "pattern": "This", "id": "this-1"}])
    doc = nlp("This is Antti Korhonen speaking in Finland")
    assert iobs(doc) == ["B", "O", "O", "O", "O", "O", "O"]
    assert entities(doc) == [("This", "THING")]
    assert doc.ents[0].id_ == "this-1"


def test_training_on_an_empty_text(factory):
    nlp = make_nlp(factory)
    data = [("Who is Shaka Khan?", {"entities": [(7, 17, "PERSON")]}), ("", {"entities": []})]
    examples = examples_for(nlp, data)
    losses = {}
    for batch in (examples, examples[1:]):
        nlp.update(batch, losses=losses)
    assert losses["ner"] > 0


def test_training_learns_from_docs_that_have_their_entities_set(factory):
    nlp = make_nlp(factory)
    examples = [Example(eg.reference.copy(), eg.reference) for eg in examples_for(nlp)]
    train(nlp, examples)
    assert entities(nlp("I like London.")) == [("London", "LOC")]


def test_training_without_annotation_changes_nothing(factory):
    nlp = trained_nlp(factory)
    ner = nlp.get_pipe("ner")
    before = weights(ner)
    losses = {}
    examples = examples_for(nlp, [("I like London", {})])
    ner.update(examples, sgd=nlp.create_optimizer(), losses=losses)
    assert losses == {"ner": 0.0}
    np.testing.assert_array_equal(weights(ner), before)


def test_misaligned_annotation_is_no_error(factory):
    nlp = make_nlp(factory)
    predicted = Doc(nlp.vocab, words=["Lon", "don", "is", "big"], spaces=[False, True, True, False])
    reference = Doc(nlp.vocab, words=["London", "is", "big"], spaces=[True, True, False])
    reference.ents = [Span(reference, 0, 1, label="LOC")]
    across = Doc(nlp.vocab, words=["Londonis", "big"], spaces=[True, False])
    squeezed = Doc(nlp.vocab, words=["London", "is", "big"], spaces=[False, True, False])
    squeezed.ents = [Span(squeezed, 0, 1, label="LOC")]
    examples = [Example(predicted, reference), Example(across, squeezed)]
    assert train(nlp, examples, steps=3) >= 0


def test_negated_labels_are_refused(factory):
    nlp = make_nlp(factory)
    examples = examples_for(nlp, [("Who is Shaka Khan?", {"entities": [(7, 17, "!PERSON")]})])
    with pytest.raises(ValueError, match="E869"):
        nlp.update(examples)


def test_overfitting_and_serialization(factory, tmp_path):
    nlp = trained_nlp(factory)
    assert entities(nlp("I like London.")) == [("London", "LOC")]
    nlp.to_disk(tmp_path)
    nlp2 = spacy.load(tmp_path)
    assert entities(nlp2("I like London.")) == [("London", "LOC")]
    nlp3 = make_nlp(factory, labels=["PERSON", "LOC"])
    nlp3.from_bytes(nlp.to_bytes())
    assert entities(nlp3("I like London.")) == [("London", "LOC")]
    # A label that has not been trained changes no prediction
    nlp2.get_pipe("ner").add_label("RANDOM_NEW_LABEL")
    assert entities(nlp2("I like London.")) == [("London", "LOC")]
    assert entities(nlp2("Who is Shaka Khan?")) == [("Shaka Khan", "PERSON")]


def wrong_spans(nlp, text, annotation, spans):
    example = Example.from_dict(nlp.make_doc(text), annotation)
    example.reference.spans[WRONG] = [Span(example.reference, *span) for span in spans]
    return example


def test_incorrect_spans_beside_entities(factory):
    nlp = make_nlp(factory, incorrect_spans_key=WRONG)
    example = wrong_spans(
        nlp,
        "Who is Shaka Khan?",
        {"entities": [(7, 17, "PERSON")]},
        [(2, 4, "LOC"), (2, 3, "PERSON"), (1, 4, "PERSON")],
    )
    train(nlp, [example])
    assert entities(nlp("Who is Shaka Khan?")) == [("Shaka Khan", "PERSON")]


def test_incorrect_spans_alone_unlearn_an_entity(factory):
    nlp = trained_nlp(factory, incorrect_spans_key=WRONG)
    assert entities(nlp("I like London")) == [("London", "LOC")]
    train(nlp, [wrong_spans(nlp, "I like London", {}, [(2, 3, "LOC")])])
    assert ("London", "LOC") not in entities(nlp("I like London"))


def test_incorrect_spans_that_contradict_entities(factory):
    nlp = make_nlp(factory, incorrect_spans_key=WRONG)
    annotation = {"entities": [(7, 17, "PERSON")]}
    example = wrong_spans(nlp, "Who is Shaka Khan?", annotation, [(2, 4, "PERSON")])
    with pytest.raises(ValueError, match="E868"):
        nlp.update([example])


def test_an_incorrect_span_over_unannotated_tokens_in_a_long_doc(factory):
    words = [
        "Posted",
        "yields",
        "on",
        "30",
        "year",
        "mortgages",
        "(",
        "priced",
        "at",
        "par",
        ")",
        "Source",
        ":",
        "Telerate",
        "Inc.",
    ]
    nlp = make_nlp(factory, labels=["ORG", "DATE"], incorrect_spans_key=WRONG)
    example = Example.from_dict(
        Doc(nlp.vocab, words=words), {"entities": ["O"] * 3 + ["B-DATE", "L-DATE"] + ["O"] * 10}
    )
    example.reference.spans[WRONG] = [Span(example.reference, 13, 15, "ORG")]
    assert train(nlp, [example], steps=5) >= 0


def test_missing_lexeme_norms_are_logged(factory, caplog):
    nlp = spacy.blank("en")
    nlp.vocab.lookups = Lookups()
    nlp.add_pipe(factory).add_label("LOC")
    with caplog.at_level(logging.DEBUG):
        nlp.initialize()
    assert "W033" in caplog.text


def test_the_class_can_be_made_by_hand(factory):
    nlp = spacy.blank("en")
    meta = nlp.get_factory_meta(factory)
    model = registry.resolve({"model": meta.default_config["model"]}, validate=True)["model"]
    cls = type(nlp.create_pipe(factory))
    ner = cls(nlp.vocab, model)
    ner.add_label("LOC")
    ner.initialize(lambda: examples_for(nlp), nlp=nlp)
    assert "LOC" in ner.labels


def test_frozen_and_annotating(factory):
    nlp = make_nlp(factory)
    examples = examples_for(nlp)
    before = weights(nlp.get_pipe("ner"))
    nlp.update(examples, exclude=["ner"], annotates=["ner"])
    np.testing.assert_array_equal(weights(nlp.get_pipe("ner")), before)
    nlp.update(examples, annotates=["ner"])
    assert np.abs(weights(nlp.get_pipe("ner")) - before).max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("method", [pytest.param("fork", marks=FORKS), "spawn"])
def test_several_processes(factory, method):
    run_module("tests.several_processes", factory, method)


@FORKS
@pytest.mark.slow
def test_a_pipeline_in_a_forked_process(factory, tmp_path):
    trained_nlp(factory).to_disk(tmp_path)
    run_module("tests.forks", factory, str(tmp_path))


def run_module(*words):
    """In a process of its own, which is ended when it hangs."""
    command = [sys.executable, "-m", *words]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2], timeout=200)
