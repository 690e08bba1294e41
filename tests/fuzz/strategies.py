"""Docs of all sorts, and pipelines that find entities in them."""

from functools import cache

import numpy as np
import spacy
import torch
from hypothesis import note
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.util import fix_random_seed

from tests.helpers import SMALL_MODEL, char_embed

LABELS = ["PERSON", "LOC", "B-SIDE"]
UNKNOWN = "UNKNOWN"
SPACES = [" ", "\n", "\r\n", "\t", "\xa0", "  ", "\u3000", "\u2028"]
ODD_WORDS = [
    "x" * 300,
    "e\u0301",
    "\U0001f469\u200d\U0001f680",
    "\ufeff",
    "\u202eabc",
    "1984",
    "Ünï",
    "\x00",
]
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
words = (
    st.sampled_from(["London", "in", "Ada", "the", ".", "Paris", "12", "NASA"])
    | st.sampled_from(ODD_WORDS)
    | st.sampled_from(SPACES)
    | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
)

# Embedding, window and number of labels. Tags of many labels go block by block
KINDS = {
    "hash": (SMALL_MODEL["tok2vec"], None, LABELS),
    "hash, windows": (SMALL_MODEL["tok2vec"], 8, LABELS),
    "cnn": (char_embed("CharCNNEmbed", width=16, filters=12), None, LABELS),
    "bilstm": (char_embed("CharBiLSTMEmbed", width=16, char_hidden=8), 12, LABELS),
    "many labels": (SMALL_MODEL["tok2vec"], None, [*LABELS, *(f"L{i}" for i in range(60))]),
}


@cache
def pipeline(kind, saved=False):
    """A pipeline with random weights, large enough that it is sure of many entities.

    Kept: settings are to be set anew for each example. `saved` is the same one out of its bytes.
    """
    embedding, window, labels = KINDS[kind]
    model = {**SMALL_MODEL, "tok2vec": embedding, "hidden_width": 16}
    if window is not None:
        model.update(window=window, overlap=3)
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": model})
    if saved:
        return nlp.from_bytes(pipeline(kind).to_bytes())
    for label in labels:
        ner.add_label(label)
    fix_random_seed(0)
    nlp.initialize()
    network = ner.model.get_ref("output_layer").shims[0]._model
    for parameter in (network.emissions.weight, network.transitions):
        torch.nn.init.normal_(parameter.data, std=2.0)
    return nlp


@cache
def stock():
    """spaCy's own `ner`, with the first pipeline's vocabulary and labels."""
    nlp = spacy.blank("en", vocab=pipeline("hash").vocab)
    ner = nlp.add_pipe("ner")
    for label in LABELS:
        ner.add_label(label)
    nlp.initialize()
    return ner


def five_digits(number):
    return round(number, 5)


thresholds = st.none() | st.floats(0.05, 0.95)
settings_of_prediction = st.fixed_dictionaries(
    {
        "threshold": thresholds,
        "entity_scores": st.booleans(),
        "spans_key": st.sampled_from([None, "sure"]),
        "candidates_threshold": thresholds,
        "candidates_max_length": st.integers(1, 20),
        # spaCy writes settings with ten digits: with more, what is loaded is not what was saved
        "temperature": st.just(1.0) | st.floats(0.5, 4.0).map(five_digits),
        "label_biases": st.lists(st.floats(-3.0, 3.0).map(five_digits), max_size=len(LABELS)).map(
            tuple
        ),
    }
)


@st.composite
def token_lists(draw, max_size=30):
    """Words, and whether a space follows each."""
    found = draw(st.lists(words, max_size=max_size))
    return found, draw(st.lists(st.booleans(), min_size=len(found), max_size=len(found)))


@st.composite
def spans_of(draw, n_tokens, labels, overlap=False, max_size=4):
    """Starts, ends and labels of spans."""
    found, free = [], 0
    for _ in range(draw(st.integers(0, max_size))):
        if free >= n_tokens:
            break
        start = draw(st.integers(free, n_tokens - 1))
        end = draw(st.integers(start + 1, min(n_tokens, start + 6)))
        found.append((start, end, draw(st.sampled_from(labels))))
        free = 0 if overlap else end
    return found


def as_spans(doc, found):
    return [Span(doc, *span) for span in found]


def annotate(draw, doc, labels):
    """Give a doc entities, blocked, missing and outside tokens."""
    n_tokens = len(doc)
    if not n_tokens or not draw(st.booleans()):
        return
    entities = draw(spans_of(n_tokens, labels))
    taken = {token for start, end, _ in entities for token in range(start, end)}
    kinds = draw(st.lists(st.sampled_from("obm-"), min_size=n_tokens, max_size=n_tokens))
    of_kind = {
        kind: [doc[i : i + 1] for i, one in enumerate(kinds) if one == kind and i not in taken]
        for kind in "obm"
    }
    ids = draw(st.sampled_from([("", ""), ("Q84", "first")]))
    doc.set_ents(
        [Span(doc, *entity, kb_id=ids[0], span_id=ids[1]) for entity in entities],
        outside=of_kind["o"],
        blocked=of_kind["b"],
        missing=of_kind["m"],
        default=draw(st.sampled_from(["outside", "missing", "unmodified"])),
    )


@st.composite
def documents(draw, nlp):
    """A doc with or without entities and sentence starts."""
    vocab = nlp.vocab
    if draw(st.booleans()):
        doc = nlp.make_doc(draw(any_text))
    else:
        found, spaces = draw(token_lists())
        doc = Doc(vocab, words=found, spaces=spaces)
    annotate(draw, doc, [*LABELS, UNKNOWN])
    if draw(st.booleans()):
        for token in doc:
            token.is_sent_start = draw(st.sampled_from([None, True, False]))
    note(described(doc))
    return doc


def described(doc):
    """What a doc that breaks a promise is made of."""
    tokens = [(token.text, bool(token.whitespace_), token.is_sent_start) for token in doc]
    entities = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
    marks = [token.ent_iob_ for token in doc]
    return f"tokens {tokens}, entities {entities}, marks {marks}"


@st.composite
def documents_of_kinds(draw, min_docs=1, max_docs=6):
    """A kind of pipeline, and docs with its vocabulary."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    of_docs = documents(pipeline(kind))
    return kind, draw(st.lists(of_docs, min_size=min_docs, max_size=max_docs))


def weights(nlp):
    """All parameters of the pipeline's recogniser as one array."""
    found = []
    for node in nlp.get_pipe("ner").model.walk():
        found += [node.get_param(name) for name in node.param_names if node.has_param(name)]
        for shim in node.shims:
            found += [param.detach().numpy() for param in shim._model.parameters()]
    return np.concatenate([param.ravel() for param in found])
