"""A sourced component learns a new label in `spacy train`, with the callback that adds it."""

import pytest
import spacy
from spacy.tokens import DocBin
from thinc.api import Config

from spacy_bilstm_crf.training.configs import filled_config
from spacy_bilstm_crf.training.loop import train_pipeline
from tests.helpers import trained_nlp

MORE = """
[nlp]
lang = "en"
pipeline = ["ner"]

[components]

[components.ner]
source = "{source}"

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = "{data}"

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = "{data}"

[training]
max_steps = 60
eval_frequency = 30
dropout = 0.0

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.01
"""
CALLBACK = """
[initialize]

[initialize.before_init]
@callbacks = "spacy-bilstm-crf.AddLabels.v1"
labels = ["DRINK", "LOC"]
"""


@pytest.fixture
def config(tmp_path):
    nlp = trained_nlp()
    nlp.to_disk(tmp_path / "source")
    docs = []
    for text in ("I drink tea", "I drink milk"):
        doc = nlp.make_doc(text)
        doc.set_ents([doc.char_span(8, len(text), "DRINK")])
        docs.append(doc)
    DocBin(docs=docs * 3).to_disk(tmp_path / "more.spacy")
    return MORE.format(source=tmp_path / "source", data=tmp_path / "more.spacy")


def test_a_sourced_component_learns_a_new_label(config):
    nlp = train_pipeline(filled_config(Config().from_str(config + CALLBACK)), verbose=False)
    assert nlp.get_pipe("ner").labels == ("PERSON", "LOC", "DRINK")
    assert [ent.label_ for ent in nlp("I drink tea").ents] == ["DRINK"]
    assert [ent.label_ for ent in nlp("Who is Shaka Khan?").ents] == ["PERSON"]


def test_without_it_the_error_names_it(config):
    with pytest.raises(ValueError, match=r"spacy-bilstm-crf\.AddLabels"):
        train_pipeline(filled_config(Config().from_str(config)), verbose=False)


def test_another_component_is_refused():
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    callback = spacy.registry.callbacks.get("spacy-bilstm-crf.AddLabels.v1")(["DRINK"])
    with pytest.raises(ValueError, match="'ner', which is a ner"):
        callback(nlp)
