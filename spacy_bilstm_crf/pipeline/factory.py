"""The factory `bilstm_crf_ner` and its default config."""

from collections.abc import Callable

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config, Model

from ..common.config_names import check_config_names
from ..potentials import Potentials
from .ner import BiLSTMCRFEntityRecognizer

_MODEL_CONFIG = """
[model]
@architectures = "spacy-bilstm-crf.BiLSTMCRF.v1"
hidden_width = 128
depth = 1
dropout = null
locked_dropout = false
mixed_precision = false
learn_rate_factor = 1.0
window = 1000
overlap = 100
by_sentence = false

[model.tok2vec]
@architectures = "spacy-bilstm-crf.CharCNNEmbed.v1"
width = 100
char_width = 30
filters = 50
window = 3
lower = true
zero_digits = true
casing = true
attrs = []
attr_width = 16
max_chars = 40
span_features = []
span_width = 16
span_dropout = 0.2
"""
DEFAULT_MODEL = Config().from_str(_MODEL_CONFIG)["model"]


@Language.factory(
    "bilstm_crf_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "doc.spans", "span._.confidence"],
    default_config={
        "model": DEFAULT_MODEL,
        "incorrect_spans_key": None,
        "entity_ratio": None,
        "threshold": None,
        "entity_scores": True,
        "spans_key": None,
        "candidates_threshold": None,
        "candidates_key": "candidates",
        "candidates_max_length": 20,
        "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    },
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_bilstm_crf_ner(
    nlp: Language,
    name: str,
    model: Model[list[Doc], Potentials],
    incorrect_spans_key: str | None,
    entity_ratio: dict[str, float] | None,
    threshold: float | None,
    entity_scores: bool,
    spans_key: str | None,
    candidates_threshold: float | dict[str, float] | None,
    candidates_key: str,
    candidates_max_length: int,
    scorer: Callable | None,
) -> BiLSTMCRFEntityRecognizer:
    """Create a named entity recognizer with a BiLSTM-CRF.

    Args:
        nlp: The pipeline that the component is part of; spaCy passes it.
        name: The component's name; spaCy passes it.
        model: Predicts the potentials of the tag sequences of each doc: a
            `spacy-bilstm-crf.BiLSTMCRF.v1`.
        incorrect_spans_key: Key in the annotation's `doc.spans` of spans that are known not to be
            entities of their label. None reads no such spans.
        entity_ratio: Prior for the share of tokens in entities where annotation is missing: a block
            with `rate`, the expected share, `margin` (0.05), the deviation that costs nothing, and
            `weight` (10), the cost of any further deviation. None uses no prior.
        threshold: Minimum probability of an entity, 0 to 1. None takes the entities of the most
            probable tag sequence, whatever their own probability.
        entity_scores: Whether to compute the probability of each entity, `span._.confidence`.
        spans_key: Key in `doc.spans` to store the entities under with their probabilities, as
            `spancat` does. None does not write to `doc.spans`; `span._.confidence` is set anyway.
        candidates_threshold: Minimum probability of a candidate, 0 to 1, or a block with one value
            per label; labels without a value have no candidates. None finds no candidates.
        candidates_key: Key in `doc.spans` to store the candidates under: all spans with at least
            this probability, including overlapping ones.
        candidates_max_length: Longest candidate, in tokens.
        scorer: The scoring method.

    Returns:
        The component.

    Raises:
        ValueError: If a setting is invalid, or would be lost in a saved config.
    """
    if isinstance(candidates_threshold, dict):
        instead = f"Set it later, where that is kept: nlp.get_pipe({name!r}).candidates_threshold"
        what = f"A label in the candidates_threshold of '{name}'"
        check_config_names(what, candidates_threshold, instead)
    return BiLSTMCRFEntityRecognizer(
        nlp.vocab,
        model,
        name,
        incorrect_spans_key=incorrect_spans_key,
        entity_ratio=entity_ratio,
        threshold=threshold,
        entity_scores=entity_scores,
        spans_key=spans_key,
        candidates_threshold=candidates_threshold,
        candidates_key=candidates_key,
        candidates_max_length=candidates_max_length,
        scorer=scorer,
    )
