"""What tests share: small pipelines, examples, spaCy's command line."""

from pathlib import Path

import numpy as np
import spacy
import torch
from spacy.cli._util import app
from spacy.training import Example
from typer.testing import CliRunner

from spacy_bilstm_crf import Potentials
from spacy_bilstm_crf.models.settings import Configured
from spacy_bilstm_crf.models.torch_layer import shim_of
from spacy_bilstm_crf.tags import OUTSIDE, count_tags, tags_of_span

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "configs" / "bilstm_crf.cfg"
TRAIN_DATA = [
    ("Who is Shaka Khan?", {"entities": [(7, 17, "PERSON")]}),
    ("I like London and Berlin.", {"entities": [(7, 13, "LOC"), (18, 24, "LOC")]}),
]

# A network that is quick to make and to train
SMALL_MODEL = {
    "@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1",
    "hidden_width": 32,
    "learn_rate_factor": 1.0,  # tests choose the step size of their optimizers
    "tok2vec": {
        "@architectures": "spacy.MultiHashEmbed.v2",
        "width": 32,
        "attrs": ["NORM", "SHAPE"],
        "rows": [500, 500],
        "include_static_vectors": False,
    },
}

# Options for `spacy train`: a model of the config that trains in seconds
SMALL_TRAINING = [
    "--components.ner.model.hidden_width=32",
    "--components.ner.model.tok2vec.width=32",
    "--training.dropout=0.1",
    "--training.optimizer.learn_rate=0.01",
    "--training.eval_frequency=10",
    "--training.logger.progress_bar=null",
]


def char_embed(kind="CharCNNEmbed", **config):
    return {"@architectures": f"spacy-bilstm-crf.{kind}.v1", **config}


def char_embed_model(kind="CharCNNEmbed", **config):
    """A small network on a layer that reads characters."""
    return {**SMALL_MODEL, "tok2vec": char_embed(kind, **config)}


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


def unsure_nlp():
    """A pipeline with random scores, in which many entities are about as likely as others."""
    nlp = make_nlp()
    network = shim_of(nlp.get_pipe("ner").model.get_ref("output_layer"))._model
    torch.manual_seed(0)
    torch.nn.init.normal_(network.emissions.weight, std=4.0)
    return nlp


def iobs(doc):
    return [token.ent_iob_ for token in doc]


def entities(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def set_windows(model, window, overlap=0):
    """Give a BiLSTMCRF another window."""
    model.attrs.update(window=Configured(window), overlap=Configured(overlap))


def weights(component):
    """All parameters of a component's model, Thinc's and torch's, as one array."""
    found = []
    for node in component.model.walk():
        found += [node.get_param(name) for name in node.param_names if node.has_param(name)]
        for shim in node.shims:
            found += [param.detach().numpy() for param in shim._model.parameters()]
    return np.concatenate([param.ravel() for param in found])


def spacy_command(*arguments, exit_codes=(0,)):
    spacy.util.registry.cli.get_all()  # imports the commands of other packages, as spaCy's own does
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code in exit_codes, f"{result.output}\n{result.exception!r}"
    return result.output


TWO_LABELS = ["A", "B"]


def random_potentials(lengths, seed=0):
    rng = np.random.default_rng(seed)
    n_tags = count_tags(len(TWO_LABELS))

    def scores(*shape):
        return rng.normal(size=shape).astype("float32")

    return Potentials(
        [scores(length, n_tags) for length in lengths],
        scores(n_tags, n_tags),
        scores(n_tags),
        scores(n_tags),
    )


def part(potentials, doc):
    return Potentials([potentials.emissions[doc]], *list(vars(potentials).values())[1:])


LENGTHS = [3, 0, 700, 1, 699, 12, 0, 2500]


def random_masks(potentials, share):
    """Masks that leave the best tag sequences in place, for some docs."""
    rng = np.random.default_rng(1)
    masks = []
    for doc in potentials.emissions:
        mask = rng.random(doc.shape) < share
        mask[:, 0] = True  # all outside is always a legal tag sequence
        masks.append(mask if rng.random() < 0.7 else None)
    return masks


def tags_of_spans(spans, n_tokens):
    """Return the tag sequence of entities that do not overlap."""
    tag_ids = np.full(n_tokens, OUTSIDE, dtype=np.int64)
    for span in spans:
        tag_ids[span[0] : span[1]] = tags_of_span(span)
    return tag_ids
