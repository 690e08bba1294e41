"""Embedding layers: a vector for each token, from its word and its characters."""

from collections.abc import Callable, Sequence
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any, cast

from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, get_torch_default_device
from thinc.layers.pytorchwrapper import forward
from thinc.types import Floats2d

from .settings import Trained
from .span_features import check_keys
from .token_attributes import CASING, check_attributes, check_tables
from .torch_layer import (
    InPlaceShim,
    check_initialized,
    check_positive,
    load_state,
    shim_of,
    torch_layer,
    vectors_of_docs,
)
from .word_features import WordCounts, words_of_docs

if TYPE_CHECKING:
    import torch

    from .char_word_embedding import CharWordEmbedding, UninitializedEmbedding
    from .pytorch.word_embedding import CharBiLSTM, CharCNN


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
    span_features: Sequence[str] = (),
    span_width: int = 16,
    span_dropout: float = 0.2,
) -> Model[list[Doc], list[Floats2d]]:
    """Embed tokens by word vectors and a character CNN (Ma and Hovy 2016).

    Args:
        width: Width of the word vectors, if the pipeline has none of its own.
        char_width: Width of a character's vector.
        filters: Number of filters over the characters.
        window: Number of characters that a filter sees.
        lower: Look words up in lower case.
        zero_digits: Read all digits as 0, which makes 1987 and 2031 one word. Its initial vector is
            that of the first such word in training, or of the form with zeros.
        casing: Embed how a word is capitalized.
        attrs: Further token attributes to embed: spaCy's, such as SHAPE, SUFFIX or POS, and those
            from the tables of spacy-lookups-data: PROB and CLUSTER, the log-probability and the
            Brown cluster of a word, or of its form in another case with the prefix LOWER_, TITLE_
            or UPPER_.
        attr_width: Width of the vector of each attribute and of the casing.
        max_chars: Maximum number of characters read per word; a longer word loses its middle.
        span_features: Keys of `doc.spans` that an earlier component sets, such as a `span_ruler`
            with a list of names. The position of a token in such spans is embedded with their
            labels.
        span_width: Width of the vector of each key.
        span_dropout: Share of the spans to ignore in training, to keep the model from relying on
            them alone.

    Returns:
        The layer: for each doc, float32 [n_tokens, width of all vectors together].

    Raises:
        ValueError: If an argument is invalid.
    """
    from .pytorch.word_embedding import CharCNN

    sizes = {"char_width": char_width, "filters": filters, "window": window}
    check_positive("CharCNNEmbed", **sizes)
    settings = _settings(width, lower, zero_digits, casing, attrs, attr_width, max_chars)
    settings.update(_span_settings(span_features, span_width, span_dropout))
    return _embed("char_cnn_embed", CharCNN, sizes, settings)


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
    span_features: Sequence[str] = (),
    span_width: int = 16,
    span_dropout: float = 0.2,
) -> Model[list[Doc], list[Floats2d]]:
    """Embed tokens by word vectors and a character BiLSTM (Lample et al. 2016).

    Args:
        width: Width of the word vectors, if the pipeline has none of its own.
        char_width: Width of a character's vector.
        char_hidden: Units of the character LSTM, both directions together; an even number.
        lower: Look words up in lower case.
        zero_digits: Read all digits as 0, which makes 1987 and 2031 one word. Its initial vector is
            that of the first such word in training, or of the form with zeros.
        casing: Embed how a word is capitalized.
        attrs: Further token attributes to embed: spaCy's, such as SHAPE, SUFFIX or POS, and those
            from the tables of spacy-lookups-data: PROB and CLUSTER, the log-probability and the
            Brown cluster of a word, or of its form in another case with the prefix LOWER_, TITLE_
            or UPPER_.
        attr_width: Width of the vector of each attribute and of the casing.
        max_chars: Maximum number of characters read per word; a longer word loses its middle.
        span_features: Keys of `doc.spans` that an earlier component sets, such as a `span_ruler`
            with a list of names. The position of a token in such spans is embedded with their
            labels.
        span_width: Width of the vector of each key.
        span_dropout: Share of the spans to ignore in training, to keep the model from relying on
            them alone.

    Returns:
        The layer: for each doc, float32 [n_tokens, width of all vectors together].

    Raises:
        ValueError: If an argument is invalid.
    """
    from .pytorch.word_embedding import CharBiLSTM

    sizes = {"char_width": char_width, "char_hidden": char_hidden}
    check_positive("CharBiLSTMEmbed", **sizes)
    if char_hidden % 2:
        raise ValueError(
            f"char_hidden is split between two directions, so it must be even, but is "
            f"{char_hidden}."
        )
    settings = _settings(width, lower, zero_digits, casing, attrs, attr_width, max_chars)
    settings.update(_span_settings(span_features, span_width, span_dropout))
    return _embed("char_bilstm_embed", CharBiLSTM, sizes, settings)


def _settings(
    width: int,
    lower: bool,
    zero_digits: bool,
    casing: bool,
    attrs: Sequence[str],
    attr_width: int,
    max_chars: int,
) -> dict[str, Any]:
    check_positive("The embedding", width=width, attr_width=attr_width)
    if max_chars < 2:
        raise ValueError(f"max_chars must be at least 2, but is {max_chars}.")
    check_attributes(attrs)
    return {
        "width": width,
        "lower": lower,
        "zero_digits": zero_digits,
        "attrs": [*([CASING] if casing else []), *attrs],
        "attr_width": attr_width,
        "max_chars": max_chars,
    }


def _span_settings(keys: Sequence[str], width: int, dropout: float) -> dict[str, Any]:
    check_keys(keys)
    check_positive("The embedding", span_width=width)
    if not isinstance(dropout, Real) or not 0.0 <= dropout <= 1.0:
        raise ValueError(f"span_dropout must be from 0 to 1, but is {dropout!r}.")
    return {"span_features": list(keys), "span_width": width, "span_dropout": dropout}


def _embed(
    name: str,
    encoder: "type[CharCNN] | type[CharBiLSTM]",
    sizes: dict[str, int],
    settings: dict[str, Any],
) -> Model[list[Doc], list[Floats2d]]:
    from .char_word_embedding import UninitializedEmbedding

    settings["encoder"] = partial(encoder, **sizes)
    model = torch_layer(
        name,
        UninitializedEmbedding(settings),
        convert_inputs=_convert_inputs,
        convert_outputs=vectors_of_docs,
        deserialize=_deserialize,
    )
    model.init = _init
    model._func = _forward
    _forget_words(model)
    model.attrs["reads_spans"] = bool(settings["span_features"])
    model.attrs["vectors_width"] = 0  # width of the pipeline's vectors at initialization
    model.attrs.update({key: Trained(value) for key, value in _trained(settings, sizes).items()})
    return model


def _trained(settings: dict[str, Any], of_encoder: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that the weights depend on, by their names in the config."""
    attrs, spans = settings["attrs"], settings["span_features"]
    return {
        **of_encoder,
        **{key: settings[key] for key in ("lower", "zero_digits")},
        "casing": CASING in attrs,
        "attrs": [attr for attr in attrs if attr != CASING],
        "attr_width": settings["attr_width"] if attrs else None,
        "n_span_features": len(spans),  # but not on their keys
        "span_width": settings["span_width"] if spans else None,
    }


def _init(model: Model, X: list[Doc] | None = None, Y: list[Floats2d] | None = None) -> Model:
    from .char_word_embedding import CharWordEmbedding

    settings = shim_of(model)._model.settings
    vectors_width = X[0].vocab.vectors_length if X else 0
    model.attrs["vectors_width"] = vectors_width
    _forget_words(model)
    network = CharWordEmbedding(settings, vectors_width or settings["width"], 0)
    shim_of(model)._model = network.to(get_torch_default_device())
    model.set_dim("nO", network.n_outputs, force=True)
    return model


def _forget_words(model: Model) -> None:
    # Two attributes, since Thinc saves lists and dicts
    model.attrs["counts"], model.attrs["counted_docs"] = WordCounts({}, [])


def _forward(
    model: Model, X: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list]]:
    shim = cast(InPlaceShim, shim_of(model))
    is_on_cpu = shim.device is None or shim.device.type == "cpu"
    # During initialization it knows no words
    if is_train or not is_on_cpu or not model.attrs["counts"]:
        return cast(Any, forward(model, X, is_train))
    check_vocab(model, shim._model.settings["attrs"], X)
    return shim._model.predict(_counts(model), X, shim.n_changes), lambda _: []


def _counts(model: Model) -> WordCounts:
    return WordCounts(model.attrs["counts"], model.attrs["counted_docs"])


def _convert_inputs(
    model: Model, X: list[Doc], is_train: bool
) -> tuple[ArgsKwargs, Callable[[ArgsKwargs], list]]:
    from .char_word_embedding import UninitializedEmbedding
    from .pytorch.word_embedding import Words

    check_initialized(model, UninitializedEmbedding)
    check_vocab(model, shim_of(model)._model.settings["attrs"], X)
    words = words_of_docs(shim_of(model)._model, _counts(model), X, is_train)
    device = shim_of(model).device
    moved = Words(*(each.to(device) for each in words))._replace(lengths=words.lengths)
    return ArgsKwargs(args=(moved,), kwargs={}), lambda _: []


def check_vocab(model: Model, attrs: Sequence[str], docs: list[Doc]) -> None:
    """Check that docs have the word vectors and tables that an embedding was trained with.

    Args:
        model: The embedding.
        attrs: The attributes that it embeds.
        docs: The docs.

    Raises:
        ValueError: Naming what is missing, and how to get it.
    """
    if docs:
        check_tables(attrs, docs[0].vocab)
    expected = model.attrs["vectors_width"]
    found = docs[0].vocab.vectors_length if docs else expected
    if found != expected:
        raise ValueError(
            f"The layer '{model.name}' was trained with word vectors of width {expected}, but the "
            f"pipeline has vectors of width {found}. Load the vectors it was trained with; a "
            f"sourced component needs a pipeline that has them, such as spacy.blank(nlp.lang, "
            f"vocab=nlp.vocab), where nlp is the source pipeline."
        )


def _deserialize(
    network: "UninitializedEmbedding | CharWordEmbedding", state: bytes, device: "torch.device"
) -> "torch.nn.Module":
    from .char_word_embedding import CharWordEmbedding, UninitializedEmbedding

    if not state:
        return UninitializedEmbedding(network.settings)
    weights = load_state(state, device)
    n_blocks = sum(name.startswith("blocks.") for name in weights)
    loaded = CharWordEmbedding(network.settings, weights["unknown"].shape[1], n_blocks)
    loaded.load_state_dict(weights)
    return loaded.to(device)
