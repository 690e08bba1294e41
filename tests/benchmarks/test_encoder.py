"""The study of an encoder that learns from raw text: the states of a teacher."""

import json

import numpy as np
import pytest
import spacy
import torch
from thinc.api import Config

from benchmarks.encoder import objectives, states
from benchmarks.encoder.accuracy import rows_of, with_encoder
from benchmarks.encoder.config import main as write_config
from tests.helpers import CONFIG, TRAIN_DATA, spacy_command
from tests.tiny_bert import make_tiny_bert

TEXTS = [text for text, _ in TRAIN_DATA]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    pytest.importorskip("transformers")
    return make_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "raw.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    return path


def test_components_are_uncorrelated_and_of_unit_variance():
    random = np.random.default_rng(0)
    given = random.normal(size=(500, 6)) @ random.normal(size=(6, 6)) + 3.0
    found = states.Components.fit(given, 4).of(given)
    assert found.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-9)
    assert found.T @ found / 500 == pytest.approx(np.eye(4), abs=1e-9)


def test_a_state_is_the_mean_of_the_pieces(bert):
    teacher = states.Transformer(bert)
    short, long = ["Ada", "saw"], ["Ada", "saw", "London", "."]
    found, _ = teacher.states([short, long])  # padded
    pieces = teacher.tokenizer(short, is_split_into_words=True, return_tensors="pt")
    assert pieces["input_ids"].shape[1] == len("Adasaw") + 2
    with torch.inference_mode():
        layers = teacher.model(**pieces, output_hidden_states=True).hidden_states[-states.LAYERS :]
    expected = torch.stack(layers).mean(dim=0)[0]
    for of_word, rows in zip(found, (slice(1, 4), slice(4, 7))):
        assert of_word == pytest.approx(expected[rows].mean(dim=0).numpy(), abs=1e-5)


def test_each_doc_begins_with_a_window(monkeypatch):
    monkeypatch.setattr(states, "WINDOW", 3)
    nlp = spacy.blank("en")
    docs = [nlp.make_doc(text) for text in ("a b c d", "", "e f g", "h")]
    windows = states.windows_of(docs)
    assert windows == [["a", "b", "c"], ["d"], ["e", "f", "g"], ["h"]]
    batches = list(states.batches_by_length(windows))
    assert sorted(number for batch in batches for number in batch) == [0, 1, 2, 3]


@pytest.mark.parametrize("with_words", [False, True])
def test_the_objective_learns_the_states_of_the_right_texts(with_words, bert, texts, tmp_path):
    states.main(texts, bert, tmp_path / "states", 10_000, 8)
    nlp = spacy.blank("en")
    docs = [nlp.make_doc(text) for text in TEXTS]
    rows = json.loads((tmp_path / "states" / states.ROWS).read_text())
    assert sorted(rows.values()) == list(np.cumsum([0, *map(len, docs)])[:-1])
    embed = spacy.registry.architectures.get("spacy-bilstm-crf.CharCNNEmbed.v1")(width=16)
    encoder = spacy.registry.architectures.get("spacy-bilstm-crf.BiLSTMEncoder.v1")
    tok2vec = encoder(embed, hidden_width=16)
    tok2vec.initialize(X=docs)
    create = objectives.TeacherStates(str(tmp_path / "states"), with_words, n_rows=50)
    model = create(nlp.vocab, tok2vec)
    model.initialize(X=docs)
    optimizer = spacy.registry.optimizers.get("Adam.v1")(learn_rate=0.01)
    found = []
    for _ in range(60):
        (of_states, of_words), backprop = model.begin_update(docs[::-1])
        assert (of_words is not None) == with_words
        loss, gradient = model.attrs["loss"](model.ops, docs[::-1], (of_states, of_words))
        of_both = [of for of in (of_states, of_words) if of is not None]
        assert loss == pytest.approx(sum(float(np.sum(of)) for of in of_both), rel=1e-5)
        backprop(gradient)
        model.finish_update(optimizer)
        found.append(float(np.mean(of_states)))
    assert found[-1] < 0.5 * found[0]
    with pytest.raises(ValueError, match="no states of the text 'Another one'"):
        model.predict([nlp.make_doc("Another one")])


def test_a_training_starts_from_the_encoder(bert, texts, tmp_path):
    states.main(texts, bert, tmp_path / "states", 10_000, 8)
    write_config(tmp_path / "pretrain.cfg", tmp_path / "states", words=True, epochs=1)
    arguments = ("--code", objectives.__file__, "--paths.raw_text", texts)
    spacy_command("pretrain", tmp_path / "pretrain.cfg", tmp_path / "weights", *arguments)
    plain = Config().from_disk(CONFIG)
    plain.to_disk(tmp_path / "config.cfg")
    with_encoder(tmp_path / "config.cfg", tmp_path / "weights" / "model0.bin")
    config = spacy.util.load_config(tmp_path / "config.cfg", interpolate=False)
    model = config["components"]["ner"]["model"]
    assert model["depth"] == 0
    assert model["tok2vec"]["embed"] == plain["components"]["ner"]["model"]["tok2vec"]
    assert model["tok2vec"]["hidden_width"] == plain["components"]["ner"]["model"]["hidden_width"]
    spacy.util.load_model_from_config(spacy.util.load_config(tmp_path / "config.cfg"))


def test_a_gain_is_between_runs_of_the_same_sentences():
    def run(dataset, seed, f):
        return {"dataset": dataset, "seed": seed, "dev_f": f, "test_f": f - 10.0}

    none = [run("wnut17", 0, 40.0), run("wnut17", 1, 50.0), run("sec-filings", 0, 80.0)]
    some = [run("wnut17", 1, 53.0), run("sec-filings", 0, 81.0), run("sec-filings", 1, 90.0)]
    rows = list(rows_of(1000, {"none": none, "words": some}))
    assert [row[:3] for row in rows[:2]] == [
        ["1,000", "none", "dev"],
        ["1,000", "words", "dev"],
    ]
    assert [row[3] for row in rows] == ["", "+2.0", "", "+2.0"]
    assert rows[1][4:6] == ["53.0 (1 seed)", ""]
    assert rows[0][4] == "45.0 ± 7.1 (2 seeds)" and rows[2][4] == "35.0 ± 7.1 (2 seeds)"
