"""The components of a pipeline that find entities, and what they know of them."""

from spacy.language import Language
from spacy.pipeline import SpanCategorizer

from ..common.errors import UserError
from ..pipeline.base import TrainableCRF
from ..pipeline.ner import BiLSTMCRFEntityRecognizer
from ..pipeline.spans import BiLSTMCRFSpanRecognizer


def recognizers(nlp: Language) -> list[BiLSTMCRFEntityRecognizer]:
    """Return the `bilstm_crf_ner` components of a pipeline, in their order."""
    return [pipe for _, pipe in nlp.pipeline if isinstance(pipe, BiLSTMCRFEntityRecognizer)]


def components_with_crf(nlp: Language) -> list[TrainableCRF]:
    """Return the components of a pipeline around a CRF, in their order."""
    return [pipe for _, pipe in nlp.pipeline if isinstance(pipe, TrainableCRF)]


def key_of_spans(pipe: object) -> str | None:
    """Return the key in `doc.spans` under which a component stores entities that may overlap.

    Args:
        pipe: The component.

    Returns:
        The key of a `bilstm_crf_spans` or of spaCy's `spancat`; None for other components.
    """
    return pipe.key if isinstance(pipe, BiLSTMCRFSpanRecognizer | SpanCategorizer) else None


def labels_by_component(nlp: Language) -> dict[str, list[str]]:
    """Return the labels of each component that finds entities, in the order of the pipeline."""
    return {
        name: list(getattr(pipe, "labels", ()))
        for name, pipe in nlp.pipeline
        if key_of_spans(pipe) is not None or "doc.ents" in nlp.get_pipe_meta(name).assigns
    }


def groups_without_overlap(nlp: Language) -> list[list[str]] | None:
    """Return groups of labels whose entities follow from the candidates, whatever the threshold.

    With a threshold, the entities of a group are those of its candidates, without overlap within
    the group, that maximize the sum of (probability - threshold).

    Returns:
        The groups; None if entities depend on anything else: on other entities of several
        components, levels, a filter, or a component that changes them.
    """
    groups: list[list[str]] = []
    has_ner = has_spans = False
    for name, pipe in nlp.pipeline:
        if has_ner and "doc.ents" in nlp.get_pipe_meta(name).assigns:
            return None  # a second recognizer is one: it leaves what the first has found
        if isinstance(pipe, BiLSTMCRFEntityRecognizer):
            has_ner = True
            groups.append(list(pipe.labels))
        elif isinstance(pipe, BiLSTMCRFSpanRecognizer):
            if pipe.spans_filter is not None or pipe.levels > 1:
                return None
            groups += [[label] for label in pipe.labels]
        has_spans = has_spans or key_of_spans(pipe) is not None
    labels = [label for of_one in labels_by_component(nlp).values() for label in of_one]
    # With spans, only the label tells which component an entity is of
    return None if has_spans and len(set(labels)) < len(labels) else groups


def why_no_k_best(nlp: Language) -> str | None:
    """Say why a pipeline has no n-best lists of tag sequences; None if it has."""
    n_recognizers = len(recognizers(nlp))
    if n_recognizers == 1:
        return None
    if n_recognizers:
        return f"the pipeline has {n_recognizers} bilstm_crf_ner components, not one"
    if components_with_crf(nlp):
        return (
            "the pipeline has no bilstm_crf_ner component; a bilstm_crf_spans has tag sequences "
            "for each label, but none with the entities of all labels"
        )
    return "the pipeline has no bilstm_crf_ner component"


def require_crf(nlp: Language, pipeline: str, wanted: str) -> None:
    """Check that a pipeline has a component around a CRF.

    Args:
        nlp: The pipeline.
        pipeline: What messages call it.
        wanted: What is wanted that only such a component knows.

    Raises:
        UserError: If it has none, naming the components that it has.
    """
    if not components_with_crf(nlp):
        raise UserError(
            f"{pipeline} has no bilstm_crf_ner or bilstm_crf_spans component, which is needed for "
            f"{wanted}. It has: {', '.join(nlp.pipe_names) or 'nothing'}."
        )


def recognizer_of(nlp: Language, name: str, component: str) -> BiLSTMCRFEntityRecognizer:
    """Return a `bilstm_crf_ner` component of a pipeline.

    Args:
        nlp: The pipeline.
        name: What messages call it.
        component: The component's name.

    Raises:
        UserError: If there is no such component, or it is of another factory.
    """
    pipe = nlp.get_pipe(component) if component in nlp.pipe_names else None
    if not isinstance(pipe, BiLSTMCRFEntityRecognizer):
        raise _lacking(nlp, name, component, "bilstm_crf_ner")
    return pipe


def component_with_crf(nlp: Language, name: str, component: str) -> TrainableCRF:
    """Return a `bilstm_crf_ner` or `bilstm_crf_spans` component of a pipeline.

    Args:
        nlp: The pipeline.
        name: What messages call it.
        component: The component's name.

    Raises:
        UserError: If there is no such component, or it is of another factory.
    """
    pipe = nlp.get_pipe(component) if component in nlp.pipe_names else None
    if not isinstance(pipe, TrainableCRF):
        raise _lacking(nlp, name, component, "bilstm_crf_ner or bilstm_crf_spans")
    return pipe


def _lacking(nlp: Language, name: str, component: str, factories: str) -> UserError:
    there = [f"{pipe} ({nlp.get_pipe_meta(pipe).factory})" for pipe in nlp.pipe_names]
    return UserError(
        f"{name} has no {factories} component '{component}', which is needed for probabilities. It "
        f"has: {', '.join(there) or 'nothing'}. Name one with --component"
    )
