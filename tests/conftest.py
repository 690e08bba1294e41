import numpy as np
import pytest
import spacy
import torch
from spacy.training import Example
from spacy.util import fix_random_seed

# Results must not depend on how many cores there are
torch.set_num_threads(1)

TRAIN_DATA = [
    ("Who is Shaka Khan?", {"entities": [(7, 17, "PERSON")]}),
    ("I like London and Berlin.", {"entities": [(7, 13, "LOC"), (18, 24, "LOC")]}),
]

# A network that is quick to make and to train
SMALL_MODEL = {
    "@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1",
    "hidden_width": 32,
    "tok2vec": {
        "@architectures": "spacy.MultiHashEmbed.v2",
        "width": 32,
        "attrs": ["NORM", "SHAPE"],
        "rows": [500, 500],
        "include_static_vectors": False,
    },
}


@pytest.fixture(autouse=True)
def fixed_seed():
    fix_random_seed(0)


def examples_for(nlp, data=TRAIN_DATA):
    return [Example.from_dict(nlp.make_doc(text), annotation) for text, annotation in data]


def make_nlp(factory="bilstm_crf_ner", labels=("PERSON", "LOC"), **config):
    """A blank pipeline with an initialized but untrained entity recognizer named `ner`."""
    nlp = spacy.blank("en")
    if factory == "bilstm_crf_ner":
        config.setdefault("model", SMALL_MODEL)
    ner = nlp.add_pipe(factory, name="ner", config=config)
    for label in labels:
        ner.add_label(label)
    nlp.initialize()
    return nlp


def train(nlp, examples, steps=60, optimizer=None, drop=0.0):
    """Update on the same examples again and again; returns the last loss."""
    optimizer = optimizer or nlp.create_optimizer()
    optimizer.learn_rate = 0.01
    losses = {}
    for _ in range(steps):
        losses = {}
        nlp.update(examples, sgd=optimizer, losses=losses, drop=drop)
    return losses["ner"]


def trained_nlp(factory="bilstm_crf_ner", **config):
    nlp = make_nlp(factory, **config)
    train(nlp, examples_for(nlp))
    return nlp


def entities(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def weights(component):
    """All parameters of a component's model, Thinc's and torch's, as one array."""
    found = []
    for node in component.model.walk():
        found += [node.get_param(name) for name in node.param_names if node.has_param(name)]
        for shim in node.shims:
            found += [param.detach().numpy() for param in shim._model.parameters()]
    return np.concatenate([param.ravel() for param in found])
