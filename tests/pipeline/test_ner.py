"""The component: what is ours alone. What it shares with `ner` is in test_parity.py."""

import json
import math
import subprocess
import sys
from collections import Counter
from importlib.metadata import version

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import fix_random_seed

import spacy_bilstm_crf
from spacy_bilstm_crf import BiLSTMCRFEntityRecognizer
from spacy_bilstm_crf.batching import legality
from spacy_bilstm_crf.models.torch_layer import shim_of
from spacy_bilstm_crf.tags import spans_of_tags
from tests.helpers import (
    SMALL_MODEL,
    entities,
    examples_for,
    make_nlp,
    tags_of_spans,
    train,
    weights,
)
from tests.oracle import Oracle

pytestmark = pytest.mark.usefixtures("kind_of_arrays")


def test_importing_the_package_loads_nothing_that_spacy_has_not_loaded():
    # Every Language() imports the modules of all factories that are installed
    code = (
        "import sys, spacy; before = set(sys.modules); import spacy_bilstm_crf;"
        "new = {name.split('.')[0] for name in set(sys.modules) - before};"
        "print(new - sys.stdlib_module_names)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "{'spacy_bilstm_crf'}"


# Labels and initialization


def test_default_config_is_json():
    meta = spacy.blank("en").get_factory_meta("bilstm_crf_ner")
    json.dumps(meta.default_config)
    assert isinstance(spacy.blank("en").add_pipe("bilstm_crf_ner"), BiLSTMCRFEntityRecognizer)


def test_labels_and_tags(trained):
    ner = trained.get_pipe("ner")
    assert ner.labels == ("PERSON", "LOC")
    assert ner.label_data == ["PERSON", "LOC"]
    assert ner.tags[:3] == ["O", "B-PERSON", "I-PERSON"]
    assert trained.meta["labels"]["ner"] == ["PERSON", "LOC"]
    assert ner.model.get_dim("nO") == len(ner.tags) == 9


@pytest.mark.parametrize("label, message", [(1, "E187.*1"), ("", "empty"), ("!LOC", "E869")])
def test_bad_labels(label, message):
    ner = spacy.blank("en").add_pipe("bilstm_crf_ner")
    with pytest.raises(ValueError, match=message):
        ner.add_label(label)
    assert ner.labels == ()


def test_no_labels_at_initialization():
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_crf_ner")
    with pytest.raises(ValueError, match="E143"):
        nlp.initialize()


def test_not_initialized():
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_crf_ner").add_label("LOC")
    with pytest.raises(ValueError, match=r"E109|initialize"):
        nlp("I like London")


def test_labels_file_and_settings_are_validated(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(["LOC", "PERSON"]))
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("bilstm_crf_ner", name="ner")
    reader = {"@readers": "spacy.read_labels.v1", "path": str(path)}
    nlp.config["initialize"]["components"]["ner"] = {"labels": reader}
    nlp.initialize()
    assert ner.labels == ("LOC", "PERSON")
    nlp.config["initialize"]["components"]["ner"] = {"labels": 7}
    with pytest.raises(ValueError, match="labels"):
        nlp.initialize()


def test_label_data_of_the_stock_ner_through_json():
    nlp = spacy.blank("en")
    stock = nlp.add_pipe("ner")
    nlp.initialize(lambda: examples_for(nlp))
    data = json.loads(json.dumps(stock.label_data))
    nlp2 = spacy.blank("en")
    ours = nlp2.add_pipe("bilstm_crf_ner")
    ours.initialize(lambda: examples_for(nlp2), nlp=nlp2, labels=data)
    assert ours.labels == ("LOC", "PERSON")


def test_initializing_again_starts_over():
    nlp = make_nlp()
    before = weights(nlp.get_pipe("ner"))
    train(nlp, examples_for(nlp), steps=3)
    fix_random_seed(0)
    nlp.initialize(lambda: examples_for(nlp))
    assert len(weights(nlp.get_pipe("ner"))) == len(before)
    assert entities(nlp("I like London.")) == []


def test_a_model_of_another_kind_is_refused():
    model = {"@architectures": "spacy.Tagger.v2", "tok2vec": SMALL_MODEL["tok2vec"]}
    with pytest.raises(ValueError, match=r"BiLSTMCRF\.v1"):
        spacy.blank("en").add_pipe("bilstm_crf_ner", config={"model": model})


def test_labels_can_be_added_after_training(trained, tmp_path):
    trained.to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    ner = nlp.get_pipe("ner")
    text = "Who is Shaka Khan in London?"
    (before,) = ner.emissions([nlp.make_doc(text)])
    ner.add_label("DRINK")
    (after,) = ner.emissions([nlp.make_doc(text)])
    assert after.shape[1] == len(ner.tags) == 13
    np.testing.assert_allclose(after[:, :9], before, atol=1e-5)
    optimizer = nlp.resume_training()
    data = [("I drink tea and milk", {"entities": [(8, 11, "DRINK"), (16, 20, "DRINK")]})]
    train(nlp, examples_for(nlp, data), steps=80, optimizer=optimizer)
    assert ("tea", "DRINK") in entities(nlp("I drink tea"))
    nlp.to_disk(tmp_path / "grown")
    assert spacy.load(tmp_path / "grown").get_pipe("ner").labels == ("PERSON", "LOC", "DRINK")


def test_labels_can_be_added_between_updates():
    nlp = make_nlp()
    optimizer = nlp.create_optimizer()
    train(nlp, examples_for(nlp), steps=3, optimizer=optimizer)
    nlp.get_pipe("ner").add_label("DRINK")
    data = [("I drink tea", {"entities": [(8, 11, "DRINK")]})]
    first = train(nlp, examples_for(nlp, data), steps=1, optimizer=optimizer)
    assert train(nlp, examples_for(nlp, data), steps=20, optimizer=optimizer) < first


def test_labels_that_appear_in_training_are_an_error():
    nlp = make_nlp()
    data = [("I drink tea", {"entities": [(8, 11, "DRINK")]})]
    with pytest.raises(ValueError, match=r"\['DRINK'\].*PERSON.*add_label"):
        nlp.update(examples_for(nlp, data))


def test_labels_changed_behind_the_components_back(trained):
    nlp = make_nlp()
    nlp.get_pipe("ner").cfg["labels"].append("SMUGGLED")
    for act in (lambda: nlp("London"), lambda: nlp.update(examples_for(nlp))):
        with pytest.raises(ValueError, match=r"tags = 9.*tags = 13.*add_label"):
            act()


# Prediction


def test_emissions(trained):
    ner = trained.get_pipe("ner")
    docs = [trained.make_doc(text) for text in ("I like London.", "", "Berlin")]
    found = ner.emissions(docs)
    assert [e.shape for e in found] == [(4, 9), (0, 9), (1, 9)]
    assert all(isinstance(e, np.ndarray) and e.dtype == np.float32 for e in found)
    assert ner.tags[found[0][2].argmax()] == "U-LOC"
    assert [e.shape for e in ner.emissions([docs[1]])] == [(0, 9)]


def test_prediction_is_the_best_legal_tagging(trained):
    ner = trained.get_pipe("ner")
    doc = trained.make_doc("Who is London Khan")
    (found,) = ner.predict([doc])
    ids = tags_of_spans([entity.span for entity in found.entities], len(doc))
    potentials = ner.model.predict([doc])
    legal = legality(len(ner.tags))
    oracle = Oracle(
        potentials.emissions[0].tolist(),
        potentials.transitions.tolist(),
        potentials.start.tolist(),
        potentials.end.tolist(),
        *(part.tolist() for part in legal[:3]),
        np.ones((len(doc), len(ner.tags)), dtype=bool).tolist(),
    )
    assert oracle.scores[tuple(ids.tolist())] == pytest.approx(oracle.best_score)
    loss, _ = ner.get_loss([Example.from_dict(doc, {"entities": [(7, 18, "PERSON")]})], potentials)
    gold = tuple(ner.tags.index(tag) for tag in ("O", "O", "B-PERSON", "L-PERSON"))
    assert loss == pytest.approx(-math.log(oracle.probabilities[gold]), rel=1e-5)


@pytest.fixture
def unsure():
    """A pipeline with random scores, in which many entities are about as likely as others."""
    nlp = make_nlp()
    network = shim_of(nlp.get_pipe("ner").model.get_ref("output_layer"))._model
    torch.nn.init.normal_(network.emissions.weight, std=4.0)
    return nlp


BY_LABEL = {"PERSON": 0.05, "LOC": 0.4}


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.2, 0.6, BY_LABEL, {"LOC": 0.02}])
def test_a_threshold_takes_entities_by_their_probability(unsure, threshold):
    ner = unsure.get_pipe("ner")
    docs = [unsure.make_doc(text) for text in ("Who is London Khan", "I like Berlin", "")]
    ner.cfg["threshold"] = threshold
    # Labels without a value among others have 0.5
    by_label = threshold if isinstance(threshold, dict) else dict.fromkeys(ner.labels, threshold)
    least = [by_label.get(label, 0.5) for label in ner.labels]
    predictions = ner.predict(docs)
    potentials = ner.model.predict(docs)
    for doc, emissions, (found, _) in zip(docs, potentials.emissions, predictions, strict=True):
        chosen = tuple(tags_of_spans([entity.span for entity in found], len(doc)).tolist())
        if not len(doc):
            continue
        oracle = Oracle(
            emissions.tolist(),
            potentials.transitions.tolist(),
            potentials.start.tolist(),
            potentials.end.tolist(),
            *(part.tolist() for part in legality(len(ner.tags))[:3]),
            np.ones((len(doc), len(ner.tags)), dtype=bool).tolist(),
        )
        sequences = {path: spans_of_tags(np.array(path)) for path in oracle.scores}
        probability = Counter()
        for path, p in oracle.probabilities.items():
            probability.update(dict.fromkeys(sequences[path], p))
        gains = {
            path: sum(probability[span] - least[span[2]] for span in spans)
            for path, spans in sequences.items()
        }
        assert all(probability[span] >= least[span[2]] for span in sequences[chosen])
        # Where the threshold is 0, what has next to no probability is left out
        assert gains[chosen] == pytest.approx(max(gains.values()), abs=0.005)


def test_preset_entities_stay_below_a_threshold(trained):
    doc = trained.make_doc("I like stones and London")
    doc.set_ents([Span(doc, 2, 3, label="LOC"), Span(doc, 3, 4, label="EVENT")])
    ner = trained.get_pipe("ner")
    threshold, ner.cfg["threshold"] = ner.threshold, 1.0
    try:
        assert entities(ner(doc)) == [("stones", "LOC"), ("and", "EVENT")]
        ner.cfg["threshold"] = 0.5
        assert entities(ner(doc)) == [("stones", "LOC"), ("and", "EVENT"), ("London", "LOC")]
    finally:
        ner.cfg["threshold"] = threshold


def test_a_threshold_is_a_probability_and_is_saved(tmp_path):
    # spaCy takes "nan" for a number, and hands it on as it is
    for threshold in (50, "nan"):
        with pytest.raises(ValueError, match=rf"threshold of 'ner' is '?{threshold}.*from 0 to 1"):
            make_nlp(threshold=threshold)
    make_nlp(threshold=0.25).to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe("ner").threshold == 0.25


@pytest.mark.parametrize("setting", ["threshold", "candidates_threshold"])
def test_a_threshold_of_a_label_that_no_config_can_hold(setting, tmp_path):
    thresholds, labels = {"GPE:city": 0.1}, ["GPE:city"]
    with pytest.raises(ValueError, match=rf"'GPE:city', which no config can.*later.*\.{setting}"):
        make_nlp(labels=labels, **{setting: thresholds})
    nlp = make_nlp(labels=labels)
    setattr(nlp.get_pipe("ner"), setting, thresholds)
    nlp.to_disk(tmp_path)
    assert getattr(spacy.load(tmp_path).get_pipe("ner"), setting) == thresholds


@pytest.mark.parametrize("factory", ["bilstm_crf_ner", "bilstm_crf_spans"])
def test_thresholds_by_label_are_checked_saved_and_changed_by_the_config(factory, tmp_path):
    nlp = spacy.blank("en")
    config = {"model": SMALL_MODEL, "threshold": {"LOC": 0.25, "CITY": 0.5}}
    ner = nlp.add_pipe(factory, name="ner", config=config)
    ner.add_label("LOC")
    ner.add_label("PERSON")
    with pytest.raises(ValueError, match="threshold of 'ner' has a value for CITY, but its labels"):
        nlp.initialize()
    ner.threshold = BY_LABEL
    nlp.initialize()
    for wrong, message in (
        ({"CITY": 0.5}, "value for CITY, but its labels are LOC, PERSON"),
        ({"LOC": 1.5}, "threshold of 'ner' for LOC is 1.5, but it must be a probability from 0 to"),
        ({"LOC": None}, "threshold of 'ner' for LOC is None"),
        ({"LOC": "0.5"}, "threshold of 'ner' for LOC is '0.5'"),
        ([0.5], r"threshold of 'ner' is \[0.5\]"),
    ):
        with pytest.raises(ValueError, match=message):
            ner.threshold = wrong
    assert ner.threshold == BY_LABEL
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe("ner").threshold == BY_LABEL
    given = {"components": {"ner": {"threshold": 0.3}}}
    assert spacy.load(tmp_path, config=given).get_pipe("ner").threshold == 0.3
    loaded = spacy.load(tmp_path)
    loaded.get_pipe("ner").add_label("NEW")
    loaded("A label that comes later has a threshold, too.")


def test_a_doc_does_not_depend_on_its_batch(trained):
    ner = trained.get_pipe("ner")
    texts = ["I like London.", "", "Who is Shaka Khan? " * 7, " \n ", "Berlin", "a " * 100]
    docs = [trained.make_doc(text) for text in texts]
    for doc, together in zip(docs, ner.emissions(docs)):
        np.testing.assert_allclose(ner.emissions([doc])[0], together, atol=1e-5)


def test_a_very_long_doc_beside_short_ones(trained):
    short = trained.make_doc("I like London.")
    long = Doc(trained.vocab, words=["I", "like", "London", "."] * 12_500)
    blank = Doc(trained.vocab, words=[" ", "\n"])
    docs = list(trained.pipe([short, long, trained.make_doc(""), blank]))
    assert entities(docs[0]) == [("London", "LOC")]
    assert len(docs[1].ents) == 12_500
    assert docs[2].ents == docs[3].ents == ()
    again = trained.make_doc("I like London.")
    np.testing.assert_allclose(
        trained.get_pipe("ner").emissions([again, long])[0],
        trained.get_pipe("ner").emissions([again])[0],
        atol=1e-5,
    )


def test_no_entity_ends_with_whitespace():
    nlp = make_nlp()
    doc = Doc(nlp.vocab, words=["New", "York", "\n", "yes"])
    reference = Doc(nlp.vocab, words=["New", "York", "\n", "yes"])
    reference.ents = [Span(reference, 0, 3, label="LOC")]
    train(nlp, [Example(doc, reference)], steps=20)
    found = nlp(Doc(nlp.vocab, words=["New", "York", "\n", "yes"]))
    assert not any(ent[0].is_space or ent[-1].is_space for ent in found.ents)


def test_memory_zone(trained):
    with trained.memory_zone():
        for text in ("I like London.", "A zephyr in Qwghlm"):
            trained(text)
    assert entities(trained("I like London.")) == [("London", "LOC")]


def test_error_handler_gets_failing_docs(trained, monkeypatch):
    ner = trained.get_pipe("ner")
    failed = []
    monkeypatch.setattr(ner, "error_handler", lambda *args: failed.append(args[2]), raising=False)
    monkeypatch.setattr(ner, "_predict_potentials", lambda docs: 1 / 0)
    assert list(trained.pipe(["I like London."])) == []
    assert len(failed) == 1


# Training


# Sharing a tok2vec


LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}


def listening_nlp():
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    nlp.add_pipe("tagger", config={"model": {"tok2vec": LISTENER}}).add_label("X")
    ner = nlp.add_pipe(
        "bilstm_crf_ner", name="ner", config={"model": {**SMALL_MODEL, "tok2vec": LISTENER}}
    )
    ner.add_label("LOC")
    ner.add_label("PERSON")
    nlp.initialize()
    return nlp


def test_listening_to_a_shared_tok2vec(tmp_path):
    nlp = listening_nlp()
    examples = [*examples_for(nlp), *examples_for(nlp, [("", {"entities": []})])]
    before = weights(nlp.get_pipe("tok2vec"))
    train(nlp, examples)
    assert np.abs(weights(nlp.get_pipe("tok2vec")) - before).max() > 0
    texts = ["I like London.", "", "Who is Shaka Khan?"]
    expected = [[("London", "LOC")], [], [("Shaka Khan", "PERSON")]]
    assert [entities(doc) for doc in nlp.pipe(texts)] == expected
    nlp.to_disk(tmp_path)
    assert [entities(doc) for doc in spacy.load(tmp_path).pipe(texts)] == expected
    nlp.replace_listeners("tok2vec", "ner", ["model.tok2vec"])
    assert [entities(doc) for doc in nlp.pipe(texts)] == expected
    nlp.to_disk(tmp_path / "replaced")
    nlp2 = spacy.load(tmp_path / "replaced", exclude=["tok2vec", "tagger"])
    assert [entities(doc) for doc in nlp2.pipe(texts)] == expected


# Saving and loading


@pytest.mark.parametrize(
    "setting, message",
    [
        ({"hidden_width": 0}, "hidden_width = 0"),
        ({"depth": -1}, "depth = -1"),
        ({"dropout": 1.5}, "1.5"),
        ({"tok2vec": SMALL_MODEL}, "tok2vec of BiLSTMCRF is .*CharCNNEmbed"),
    ],
)
def test_bad_settings_of_the_architecture(setting, message):
    with pytest.raises(ValueError, match=message):
        make_nlp(model={**SMALL_MODEL, **setting})


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_mixed_precision_without_a_gpu_warns_and_works():
    with pytest.warns(UserWarning, match="mixed_precision"):
        nlp = make_nlp(model={**SMALL_MODEL, "mixed_precision": True})
    train(nlp, examples_for(nlp))
    assert entities(nlp("I like London.")) == [("London", "LOC")]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("mixed_precision", [False, True])
def test_on_a_gpu(mixed_precision):
    spacy.require_gpu()
    try:
        nlp = make_nlp(model={**SMALL_MODEL, "mixed_precision": mixed_precision})
        train(nlp, examples_for(nlp), drop=0.1)
        assert nlp.get_pipe("ner").model.get_ref("output_layer").shims[0].device.type == "cuda"
        assert entities(nlp("I like London.")) == [("London", "LOC")]
    finally:
        spacy.require_cpu()


@pytest.mark.parametrize(
    "name, right, wrong",
    [
        ("threshold", 0.25, 2.0),
        ("candidates_threshold", 0.01, -0.1),
        ("candidates_max_length", 3, 0),
        ("entity_ratio", {"rate": 0.1}, {"rate": 7}),
        ("candidates_key", "maybe", "scored"),
        ("spans_key", "sure", "candidates"),
    ],
)
def test_settings_are_properties_with_the_checks_of_the_config(name, right, wrong):
    given = {"candidates_threshold": 0.5, "spans_key": "scored"}
    ner = make_nlp(**given).get_pipe("ner")
    setattr(ner, name, right)
    assert getattr(ner, name) == ner.cfg[name] == right
    with pytest.raises(ValueError, match=name):
        setattr(ner, name, wrong)
    assert getattr(ner, name) == right
    with pytest.raises(ValueError, match=name):
        make_nlp(**{**given, name: wrong})


def test_the_version_is_that_of_the_package():
    assert spacy_bilstm_crf.__version__ == version("spacy-bilstm-crf")
