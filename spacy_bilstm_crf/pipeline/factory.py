"""The factories `bilstm_crf_ner` and `bilstm_crf_spans`, and their default configs."""

from collections.abc import Callable

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import ConfigValidationError, Model

from ..common.config_names import check_config_names
from ..potentials import Potentials
from .ner import BiLSTMCRFEntityRecognizer
from .spans import BiLSTMCRFSpanRecognizer, SpansFilter

# The model of spaCy's `ner` and `beam_ner`, whatever its version
STOCK_MODEL = "spacy.TransitionBasedParser."


class _DefaultModel(str):
    """Name of the default architecture, which can't take the place of that of spaCy's `ner`.

    Where only the factory of a config is changed, spaCy refuses the settings of `ner` as unexpected
    arguments, before it calls this factory. Before that it merges the config with the default one
    and compares the names of their architectures: the one place where the factory can say more.
    """

    def __ne__(self, other: object) -> bool:
        if isinstance(other, str) and other.startswith(STOCK_MODEL):
            raise ConfigValidationError(
                title=f"A bilstm_crf_ner can't have the model of spaCy's ner, {other}. Replace all "
                f"of the component: python -m spacy bilstm-crf replace-ner CONFIG OUT"
            )
        return super().__ne__(other)


# The architectures have defaults for all else
DEFAULT_MODEL = {
    "@architectures": _DefaultModel("spacy-bilstm-crf.BiLSTMCRF.v1"),
    "locked_dropout": False,
    "learn_rate_factor": None,
    "tok2vec": {"@architectures": "spacy-bilstm-crf.CharCNNEmbed.v1"},
}


def _check_saved(name: str, **settings: float | dict[str, float] | None) -> None:
    """Check that no label of a component's settings by label is lost in a saved config."""
    for setting, by_label in settings.items():
        if isinstance(by_label, dict):
            instead = f"Set it later, where that is kept: nlp.get_pipe({name!r}).{setting}"
            check_config_names(f"A label in the {setting} of '{name}'", by_label, instead)


@Language.factory(
    "bilstm_crf_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "doc.spans", "span._.confidence"],
    default_config={"model": DEFAULT_MODEL, "scorer": {"@scorers": "spacy.ner_scorer.v1"}},
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_bilstm_crf_ner(
    nlp: Language,
    name: str,
    model: Model[list[Doc], Potentials],
    scorer: Callable | None,
    incorrect_spans_key: str | None = None,
    entity_ratio: dict[str, float] | None = None,
    resume_factor: float = 0.025,
    threshold: float | dict[str, float] | None = None,
    entity_scores: bool = True,
    spans_key: str | None = None,
    candidates_threshold: float | dict[str, float] | None = None,
    candidates_key: str = "candidates",
    candidates_max_length: int = 20,
) -> BiLSTMCRFEntityRecognizer:
    """Create a named entity recognizer with a BiLSTM-CRF.

    Args:
        nlp: The pipeline that the component is part of; spaCy passes it.
        name: The component's name; spaCy passes it.
        model: Predicts the potentials of the tag sequences of each doc: a
            `spacy-bilstm-crf.BiLSTMCRF.v1`.
        scorer: The scoring method.
        incorrect_spans_key: Key in the annotation's `doc.spans` of spans that are known not to be
            entities of their label. None reads no such spans.
        entity_ratio: Prior for the share of tokens in entities where annotation is missing: a block
            with `rate`, the expected share, `margin` (0.05), the deviation that costs nothing, and
            `weight` (10), the cost of any further deviation. None uses no prior.
        resume_factor: Share of the optimizer's steps, 0 to 1, for what was trained before
            `nlp.resume_training` was called, so that it is not forgotten. Labels added since then
            take whole steps. 1 trains all alike, as suits much new data with all labels annotated.
        threshold: Minimum probability of an entity, 0 to 1, or a block with one value per label;
            labels without a value have 0.5. None takes the entities of the most probable tag
            sequence, whatever their own probability.
        entity_scores: Whether to compute the probability of each entity, `span._.confidence`.
        spans_key: Key in `doc.spans` to store the entities under with their probabilities, as
            `spancat` does. None does not write to `doc.spans`; `span._.confidence` is set anyway.
        candidates_threshold: Minimum probability of a candidate, 0 to 1, or a block with one value
            per label; labels without a value have no candidates. None finds no candidates.
        candidates_key: Key in `doc.spans` to store the candidates under: all spans with at least
            this probability, including overlapping ones.
        candidates_max_length: Longest candidate, in tokens.

    Returns:
        The component.

    Raises:
        ValueError: If a setting is invalid, or would be lost in a saved config.
    """
    _check_saved(name, threshold=threshold, candidates_threshold=candidates_threshold)
    return BiLSTMCRFEntityRecognizer(
        nlp.vocab,
        model,
        name,
        incorrect_spans_key=incorrect_spans_key,
        entity_ratio=entity_ratio,
        resume_factor=resume_factor,
        threshold=threshold,
        entity_scores=entity_scores,
        spans_key=spans_key,
        candidates_threshold=candidates_threshold,
        candidates_key=candidates_key,
        candidates_max_length=candidates_max_length,
        scorer=scorer,
    )


@Language.factory(
    "bilstm_crf_spans",
    assigns=["doc.spans", "span._.confidence"],
    default_config={"model": DEFAULT_MODEL, "scorer": {"@scorers": "spacy.spancat_scorer.v1"}},
    default_score_weights={"spans_sc_f": 1.0, "spans_sc_p": 0.0, "spans_sc_r": 0.0},
)
def make_bilstm_crf_spans(
    nlp: Language,
    name: str,
    model: Model[list[Doc], Potentials],
    scorer: Callable | None,
    spans_key: str = "sc",
    levels: int = 1,
    incorrect_spans_key: str | None = None,
    resume_factor: float = 0.025,
    threshold: float | dict[str, float] | None = None,
    spans_filter: SpansFilter | None = None,
    candidates_threshold: float | dict[str, float] | None = None,
    candidates_key: str = "candidates",
    candidates_max_length: int = 20,
) -> BiLSTMCRFSpanRecognizer:
    """Create a recognizer of entities that may overlap, with a CRF for each label.

    Args:
        nlp: The pipeline that the component is part of; spaCy passes it.
        name: The component's name; spaCy passes it.
        model: Predicts the potentials of each label's tag sequences for each doc: a
            `spacy-bilstm-crf.BiLSTMCRF.v1`.
        scorer: The scoring method.
        spans_key: Key in `doc.spans` of the annotation, and of what is found. Docs without it in
            their annotation are not learned from; an empty group says that there are no entities.
        levels: Number of CRFs of each label, for entities within others of the same label: the
            first one finds those that are in no other, the second one those within them, and so on.
            With 1, the longest of the annotated entities of a label that overlap is learned.
        incorrect_spans_key: Key in the annotation's `doc.spans` of spans that are known not to be
            entities of their label. None reads no such spans.
        resume_factor: Share of the optimizer's steps, 0 to 1, for what was trained before
            `nlp.resume_training` was called: see `make_bilstm_crf_ner`.
        threshold: Minimum probability of an entity, 0 to 1, or a block with one value per label;
            labels without a value have 0.5. None takes the entities of each label's most probable
            tag sequence, whatever their own probability.
        spans_filter: Selects among the entities found, of all labels together, such as
            `spacy.first_longest_spans_filter.v1`; it gets no other spans to merge them with.
        candidates_threshold: Minimum probability of a candidate, 0 to 1, or a block with one value
            per label; labels without a value have no candidates. None finds no candidates.
        candidates_key: Key in `doc.spans` to store the candidates under.
        candidates_max_length: Longest candidate, in tokens.

    Returns:
        The component.

    Raises:
        ValueError: If a setting is invalid, or would be lost in a saved config.
    """
    _check_saved(name, threshold=threshold, candidates_threshold=candidates_threshold)
    return BiLSTMCRFSpanRecognizer(
        nlp.vocab,
        model,
        name,
        spans_key=spans_key,
        levels=levels,
        incorrect_spans_key=incorrect_spans_key,
        resume_factor=resume_factor,
        threshold=threshold,
        spans_filter=spans_filter,
        candidates_threshold=candidates_threshold,
        candidates_key=candidates_key,
        candidates_max_length=candidates_max_length,
        scorer=scorer,
    )
