"""The components of a pipeline that find entities: where they put them, and what they know."""

from collections.abc import Sequence
from typing import TypeVar, cast

from spacy.language import Language
from spacy.pipeline import SpanCategorizer
from spacy.tokens import Doc

from ..common.errors import UserError
from ..data.entity_source import DOC_ENTS, EntitySource
from ..decoding import DecodingSettings, Distribution, Prediction, decode_levels
from ..pipeline.base import TrainableCRF
from ..pipeline.ner import BiLSTMCRFEntityRecognizer
from ..pipeline.settings import COVERAGE_KEY
from ..pipeline.spans import BiLSTMCRFSpanRecognizer

_Kind = TypeVar("_Kind", bound=TrainableCRF)


def recognizers(nlp: Language) -> list[BiLSTMCRFEntityRecognizer]:
    """Return the `bilstm_crf_ner` components of a pipeline, in their order."""
    return [pipe for _, pipe in nlp.pipeline if isinstance(pipe, BiLSTMCRFEntityRecognizer)]


def components_with_crf(nlp: Language) -> list[TrainableCRF]:
    """Return the components of a pipeline around a CRF, in their order."""
    return [pipe for _, pipe in nlp.pipeline if isinstance(pipe, TrainableCRF)]


def labels_by_component(nlp: Language) -> dict[str, list[str]]:
    """Return the labels of each component that finds entities, in the order of the pipeline."""
    return {
        name: list(getattr(pipe, "labels", ()))
        for name, pipe in nlp.pipeline
        if entity_source(pipe).may_overlap or "doc.ents" in nlp.get_pipe_meta(name).assigns
    }


def groups_without_overlap(nlp: Language) -> list[list[str]] | None:
    """Return groups of labels whose entities follow from the candidates, whatever the threshold.

    With a threshold, the entities of a group are those of its candidates, without overlap within
    the group, that maximize the sum of (probability - threshold of the label).

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
        has_spans = has_spans or entity_source(pipe).may_overlap
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


def coverage_of(nlp: Language) -> float | None:
    """Return the share of texts whose set of tag sequences contains the right one, if it is known.

    None if the pipeline was not calibrated for it, or has no n-best lists: see `why_no_k_best`.
    """
    found = recognizers(nlp)
    if len(found) != 1 or found[0].least_of_set is None:
        return None
    coverage = nlp.meta.get(COVERAGE_KEY, {}).get(found[0].name, {}).get("coverage")
    return cast(float | None, coverage)


def require_sampler(nlp: Language, pipeline: str) -> TrainableCRF:
    """Return the component whose tag sequences can be drawn.

    Args:
        nlp: The pipeline.
        pipeline: What messages call it.

    Raises:
        UserError: If the pipeline has not exactly one component around a CRF.
    """
    found = components_with_crf(nlp)
    if len(found) != 1:
        there = ", ".join(component.name for component in found) or "none"
        raise UserError(
            f"{pipeline}: samples need exactly one bilstm_crf_ner or bilstm_crf_spans component. "
            f"It has: {there}."
        )
    return found[0]


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
    return _component(nlp, name, component, BiLSTMCRFEntityRecognizer, ["bilstm_crf_ner"])


def entity_source(pipe: object) -> EntitySource:
    """Return where a component puts the entities that it finds, and reads annotated ones from."""
    if isinstance(pipe, BiLSTMCRFSpanRecognizer | SpanCategorizer):
        return EntitySource(pipe.key)
    return DOC_ENTS


def entity_source_of(nlp: Language, name: str, spans_key: str | None = None) -> EntitySource:
    """Return where a pipeline puts the entities that it finds.

    Args:
        nlp: The pipeline.
        name: What messages call it.
        spans_key: The key in `doc.spans` to use. None takes `doc.ents` if any component sets them,
            and otherwise the key of its `bilstm_crf_spans` or `spancat`.

    Raises:
        UserError: If it has several such components with different keys.
    """
    if spans_key is not None:
        return EntitySource(spans_key)
    if any("doc.ents" in nlp.get_pipe_meta(pipe).assigns for pipe in nlp.pipe_names):
        return DOC_ENTS
    found = {entity_source(pipe) for _, pipe in nlp.pipeline} - {DOC_ENTS}
    if len(found) > 1:
        keys = ", ".join(sorted(str(where.spans_key) for where in found))
        raise UserError(
            f"{name} puts entities under several keys of doc.spans: {keys}. One of them can be "
            f"scored by report, with --spans-key."
        )
    return found.pop() if found else DOC_ENTS


def entity_finder(nlp: Language, name: str, component: str | None) -> str:
    """Return the name of the component that finds entities.

    Args:
        nlp: The pipeline.
        name: What messages call it.
        component: The name that was given. None takes `ner`, or else the only component around a
            CRF.

    Raises:
        UserError: If there is no such component, or several.
    """
    wanted = "ner" if component is None else component
    found = [wanted] if wanted in nlp.pipe_names else []
    if component is None and not found:
        found = [pipe.name for pipe in components_with_crf(nlp)]
    if len(found) != 1:
        raise UserError(
            f"{name} has no component '{wanted}'. It has: {', '.join(nlp.pipe_names) or 'none'}. "
            f"Name the one that finds entities with --component."
        )
    return found[0]


def chains_of(
    recognizer: TrainableCRF, docs: list[Doc]
) -> list[tuple[tuple[str, ...], list[Distribution]]]:
    """Return the distributions by which a component finds entities in docs.

    Args:
        recognizer: A `bilstm_crf_ner` or `bilstm_crf_spans`.
        docs: Docs that have been through the components before it.

    Returns:
        Labels, and the distributions over their tag sequences, one for each level: all labels
        together for a `bilstm_crf_ner`, each on its own for a `bilstm_crf_spans`.
    """
    if isinstance(recognizer, BiLSTMCRFSpanRecognizer):
        of_labels = recognizer.distributions(docs)
        return [((label,), levels) for label, levels in zip(recognizer.labels, of_labels)]
    ner = cast(BiLSTMCRFEntityRecognizer, recognizer)
    return [(ner.labels, [ner.distribution(docs)])]


def likely_entities_of(
    recognizer: TrainableCRF, docs: list[Doc], settings: DecodingSettings
) -> list[Prediction]:
    """Find the entities and candidates of docs by other settings than the component's.

    Args:
        recognizer: A `bilstm_crf_ner` or `bilstm_crf_spans`.
        docs: Docs that have been through the components before it.
        settings: What to find.

    Returns:
        For each doc its entities and candidates.
    """
    found = [Prediction([], []) for _ in docs]
    first = 0  # label
    for labels, levels in chains_of(recognizer, docs):
        for of_doc, here in zip(found, decode_levels(levels, settings._replace(labels=labels))):
            for entities, new in zip(of_doc, here):
                entities += [entity._replace(label=first + entity.label) for entity in new]
        first += len(labels)
    return found


def component_with_crf(nlp: Language, name: str, component: str) -> TrainableCRF:
    """Return a `bilstm_crf_ner` or `bilstm_crf_spans` component of a pipeline.

    Args:
        nlp: The pipeline.
        name: What messages call it.
        component: The component's name.

    Raises:
        UserError: If there is no such component, or it is of another factory.
    """
    factories = ["bilstm_crf_ner", "bilstm_crf_spans"]
    return _component(nlp, name, component, TrainableCRF, factories)


def _component(
    nlp: Language, name: str, component: str, kind: type[_Kind], factories: Sequence[str]
) -> _Kind:
    """Return a component of a class, which these factories make."""
    pipe = nlp.get_pipe(component) if component in nlp.pipe_names else None
    if isinstance(pipe, kind):
        return pipe
    by_name = {pipe: nlp.get_pipe_meta(pipe).factory for pipe in nlp.pipe_names}
    there = [f"{pipe} ({factory})" for pipe, factory in by_name.items()]
    can_be_named = not {*by_name.values()}.isdisjoint(factories)
    advice = " Name one with --component" if can_be_named else ""
    raise UserError(
        f"{name} has no {' or '.join(factories)} component '{component}', which is needed for "
        f"probabilities. It has: {', '.join(there) or 'nothing'}.{advice}"
    )
