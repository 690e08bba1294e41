"""Registered embedding layers: docs -> one vector per token, from word and characters."""

import io
import re
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple, Union, cast

import numpy as np
import torch
from spacy.attrs import IDS
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import (
    ArgsKwargs,
    Model,
    PyTorchShim,
    PyTorchWrapper_v3,
    get_torch_default_device,
    torch2xp,
    xp2torch,
)
from thinc.types import Floats2d

from .word_network import (
    N_DIRECT_CHARACTERS,
    CharBiLSTM,
    CharCNN,
    WordEmbedding,
    Words,
)

DIGITS = re.compile(r"\d")
# What an attribute's table has rows for: spaCy's hashes are spread over them
ATTRIBUTE_ROWS = 2000
CASING = "CASING"
CASINGS = ("other", "lower", "upper", "title", "mixed", "digits", "some digits")
# The share of times that a word seen once in training stands for unknown words
# (Lample et al. 2016, section 4.3)
SINGLETON_DROPOUT = 0.5


def CharCNNEmbed(
    width: int = 100,
    char_width: int = 30,
    filters: int = 50,
    window: int = 3,
    lower: bool = True,
    zero_digits: bool = True,
    casing: bool = True,
    attrs: Sequence[str] = (),
    attr_width: int = 16,
    max_chars: int = 40,
) -> Model[List[Doc], List[Floats2d]]:
    """Word vector and character CNN (Ma and Hovy 2016).

    width (int): Width of the word vectors, where the pipeline has none of its own.
    char_width (int): Width of a character's vector.
    filters (int): Number of filters over the characters.
    window (int): Number of characters that a filter sees.
    lower (bool): Look words up in lower case.
    zero_digits (bool): Look words up with all digits as 0, where they have no vector as is.
    casing (bool): Embed how a word is capitalised.
    attrs (Sequence[str]): Token attributes to embed as well, such as SHAPE, SUFFIX or POS.
    attr_width (int): Width of the vector of each attribute and of the casing.
    max_chars (int): Characters of a longer word are left out in its middle.
    """
    settings = _settings(width, lower, zero_digits, casing, attrs, attr_width, max_chars)
    settings["encoder"] = {"kind": "cnn", "width": char_width, "n_outputs": filters}
    settings["encoder"]["window"] = window
    return _embed("char_cnn_embed", settings)


def CharBiLSTMEmbed(
    width: int = 100,
    char_width: int = 25,
    char_hidden: int = 50,
    lower: bool = True,
    zero_digits: bool = True,
    casing: bool = True,
    attrs: Sequence[str] = (),
    attr_width: int = 16,
    max_chars: int = 40,
) -> Model[List[Doc], List[Floats2d]]:
    """Word vector and character BiLSTM (Lample et al. 2016).

    char_hidden (int): Units of the character LSTM, both directions together; even.

    The other settings are those of `CharCNNEmbed`.
    """
    if char_hidden % 2:
        raise ValueError(
            f"char_hidden is for two directions: it can't be odd, as {char_hidden} is."
        )
    settings = _settings(width, lower, zero_digits, casing, attrs, attr_width, max_chars)
    settings["encoder"] = {"kind": "bilstm", "width": char_width, "n_outputs": char_hidden}
    return _embed("char_bilstm_embed", settings)


def _settings(
    width: int,
    lower: bool,
    zero_digits: bool,
    casing: bool,
    attrs: Sequence[str],
    attr_width: int,
    max_chars: int,
) -> Dict[str, Any]:
    if max_chars < 2:
        raise ValueError(f"max_chars must be at least 2, but is {max_chars}.")
    unknown = [attr for attr in attrs if attr not in IDS]
    if unknown:
        raise ValueError(f"There are no token attributes {unknown}. There are, e.g., SHAPE, POS.")
    return {
        "width": width,
        "lower": lower,
        "zero_digits": zero_digits,
        "attrs": [*([CASING] if casing else []), *attrs],
        "attr_width": attr_width,
        "max_chars": max_chars,
    }


def _embed(name: str, settings: Dict[str, Any]) -> Model[List[Doc], List[Floats2d]]:
    model: Model = PyTorchWrapper_v3(
        _Blueprint(settings),
        convert_inputs=_convert_inputs,
        convert_outputs=_convert_outputs,
        serialize_model=_serialize,
        deserialize_model=_deserialize,
    )
    model.name = name
    model.init = _init
    model.attrs["counts"] = {}  # words of the table, in the order of its rows
    model.attrs["vectors_width"] = 0  # of the pipeline that the layer was initialized in
    return model


class _Blueprint(torch.nn.Module):
    """A network that is still to be made, when the width of the word vectors is known."""

    def __init__(self, settings: Dict[str, Any]):
        super().__init__()
        self.settings = settings


class _Network(WordEmbedding):
    """The network, with its settings and what it needs to know of words in training."""

    def __init__(self, settings: Dict[str, Any], word_width: int, n_blocks: int):
        encoder = dict(settings["encoder"])
        kind = encoder.pop("kind")
        characters = CharCNN(**encoder) if kind == "cnn" else CharBiLSTM(**encoder)
        rows = [len(CASINGS) if attr == CASING else ATTRIBUTE_ROWS for attr in settings["attrs"]]
        super().__init__(word_width, characters, rows, settings["attr_width"], n_blocks)
        self.settings = settings
        self.row_of: Dict[str, int] = {}  # made from the model's `counts`, when those grow
        self.seen_docs: Set[int] = set()  # whose words have been counted


def _init(model: Model, X: Optional[List[Doc]] = None, Y: Optional[List[Floats2d]] = None) -> Model:
    settings = _shim(model)._model.settings
    vectors_width = X[0].vocab.vectors_length if X else 0
    model.attrs["vectors_width"] = vectors_width
    model.attrs["counts"] = {}
    network = _Network(settings, vectors_width or settings["width"], 0).to(
        get_torch_default_device()
    )
    _shim(model)._model = network
    model.set_dim("nO", network.n_outputs, force=True)
    return model


def _convert_inputs(
    model: Model, X: List[Doc], is_train: bool
) -> Tuple[ArgsKwargs, Callable[[ArgsKwargs], List]]:
    network = _shim(model)._model
    if not isinstance(network, _Network):
        raise ValueError(
            f"The layer '{model.name}' is not initialized. Call nlp.initialize before it is used."
        )
    _check_vectors(model, X)
    words = _words(model, network, X, is_train)
    device = _shim(model).device
    moved = (part if i == 3 else part.to(device) for i, part in enumerate(words))
    return ArgsKwargs(args=(Words(*moved),), kwargs={}), _no_gradient


def _check_vectors(model: Model, docs: List[Doc]) -> None:
    expected = model.attrs["vectors_width"]
    found = docs[0].vocab.vectors_length if docs else expected
    if found != expected:
        raise ValueError(
            f"The layer '{model.name}' was trained beside word vectors of width {expected}, but "
            f"the pipeline has vectors of width {found}. Load the vectors it was trained with."
        )


def _no_gradient(d_inputs: ArgsKwargs) -> List:
    return []


def _convert_outputs(
    model: Model, inputs_outputs: Tuple, is_train: bool
) -> Tuple[List[Floats2d], Callable[[List[Floats2d]], ArgsKwargs]]:
    docs, output = inputs_outputs
    flat = cast(Floats2d, torch2xp(output))
    ends = np.cumsum([len(doc) for doc in docs])
    parts = [flat[end - len(doc) : end] for doc, end in zip(docs, ends.tolist())]

    def to_torch(d_parts: List[Floats2d]) -> ArgsKwargs:
        gradient = xp2torch(model.ops.xp.concatenate(d_parts), device=_shim(model).device)
        return ArgsKwargs(args=((output,),), kwargs={"grad_tensors": (gradient,)})

    return parts, to_torch


def _words(model: Model, network: _Network, docs: List[Doc], is_train: bool) -> Words:
    """The distinct words of the docs, each to be embedded once."""
    settings = network.settings
    vocab = docs[0].vocab
    orths = np.concatenate([doc.to_array("ORTH") for doc in docs])
    distinct, of_token = np.unique(orths, return_inverse=True)
    texts = [vocab.strings[int(orth)] for orth in distinct]
    forms = [_form(text, settings) for text in texts]
    counts = model.attrs["counts"]
    if is_train:
        _learn_words(network, counts, vocab, docs, texts, forms, of_token)
    row_of = _rows(network, counts)
    rows: List[int] = []
    static: List[np.ndarray] = []
    for text, form in zip(texts, forms):
        row = row_of.get(form, -1)
        if is_train and row >= 0 and counts[form] == 1 and torch.rand(()) < SINGLETON_DROPOUT:
            row = -1
        elif row < 0:
            vector = _pretrained(vocab, text, form)
            if vector is not None:
                row = -2 - len(static)
                static.append(vector)
        rows.append(row)
    characters = [_characters(text, settings["max_chars"]) for text in texts]
    lengths = torch.tensor([len(word) for word in characters], dtype=torch.long)
    padded = np.zeros((len(characters), max(lengths.tolist(), default=1)), dtype=np.int64)
    for place, word in zip(padded, characters):
        place[: len(word)] = word
    return Words(
        rows=torch.tensor(rows, dtype=torch.long),
        static=torch.from_numpy(np.array(static, dtype=np.float32).reshape(-1, network.word_width)),
        characters=torch.from_numpy(padded),
        lengths=lengths,
        of_token=torch.from_numpy(of_token.astype(np.int64)),
        attributes=torch.from_numpy(_attributes(settings["attrs"], docs, texts, of_token)),
    )


def _learn_words(
    network: _Network,
    counts: Dict[str, int],
    vocab: Vocab,
    docs: List[Doc],
    texts: List[str],
    forms: List[str],
    of_token: np.ndarray,
) -> None:
    """Give words that are new in training a row, and count words, each doc once."""
    for text, form in zip(texts, forms):
        if form not in counts:
            vector = _pretrained(vocab, text, form)
            network.set_row(len(counts), None if vector is None else torch.from_numpy(vector))
            counts[form] = 0
    start = 0
    for doc in docs:
        words = of_token[start : start + len(doc)].tolist()
        start += len(doc)
        key = hash(doc.to_array("ORTH").tobytes())
        if key not in network.seen_docs:
            network.seen_docs.add(key)
            for word in words:
                counts[forms[word]] += 1


def _rows(network: _Network, counts: Dict[str, int]) -> Dict[str, int]:
    """Row of each word, made again only when there are new words."""
    if len(network.row_of) != len(counts):
        network.row_of = {form: row for row, form in enumerate(counts)}
    return network.row_of


def _form(text: str, settings: Dict[str, Any]) -> str:
    if settings["lower"]:
        text = text.lower()
    return DIGITS.sub("0", text) if settings["zero_digits"] else text


def _pretrained(vocab: Vocab, text: str, form: str) -> Optional[np.ndarray]:
    """The pretrained vector of a word as it is written, in lower case, or of its form."""
    if not vocab.vectors_length:
        return None
    for candidate in (text, text.lower(), form):
        if vocab.has_vector(candidate):
            vector = vocab.get_vector(candidate)
            return np.asarray(vector.get() if hasattr(vector, "get") else vector, dtype=np.float32)
    return None


def _characters(text: str, max_chars: int) -> List[int]:
    """Ids of a word's characters, from 1; any of Unicode has one."""
    if len(text) > max_chars:
        half = max_chars // 2
        text = text[:half] + text[half - max_chars :]
    codes = map(ord, text or " ")
    return [
        1
        + (code if code < N_DIRECT_CHARACTERS else N_DIRECT_CHARACTERS + code % N_DIRECT_CHARACTERS)
        for code in codes
    ]


def _attributes(
    attrs: List[str], docs: List[Doc], texts: List[str], of_token: np.ndarray
) -> np.ndarray:
    """Rows of the attributes' tables, int64 [n_tokens, n_attributes]."""
    columns = []
    for attr in attrs:
        if attr == CASING:
            of_word = np.array([CASINGS.index(_casing(text)) for text in texts], dtype=np.int64)
            columns.append(of_word[of_token])
        else:
            values = np.concatenate([doc.to_array(attr) for doc in docs])
            columns.append((values % ATTRIBUTE_ROWS).astype(np.int64))
    return np.stack(columns, 1) if columns else np.zeros((len(of_token), 0), dtype=np.int64)


def _casing(text: str) -> str:
    if text.isdigit():
        return "digits"
    if DIGITS.search(text):
        return "some digits"
    if text.islower():
        return "lower"
    if text.isupper():
        return "upper"
    if text.istitle():
        return "title"
    return "mixed" if text.upper() != text.lower() else "other"


def _shim(model: Model) -> PyTorchShim:
    return cast(PyTorchShim, model.shims[0])


def _serialize(network: torch.nn.Module) -> bytes:
    if not isinstance(network, _Network):
        return b""
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    return buffer.getvalue()


def _deserialize(
    network: Union[_Blueprint, _Network], state: bytes, device: torch.device
) -> torch.nn.Module:
    if not state:
        return _Blueprint(network.settings)
    weights = torch.load(io.BytesIO(state), map_location=device, weights_only=True)
    n_blocks = sum(name.startswith("blocks.") for name in weights)
    loaded = _Network(network.settings, weights["unknown"].shape[1], n_blocks)
    loaded.load_state_dict(weights)
    return loaded.to(device)
