"""The components of a pipeline that know probabilities."""

from spacy.language import Language

from ..common.errors import UserError
from ..pipeline.base import TrainableCRF
from ..pipeline.ner import BiLSTMCRFEntityRecognizer


def recognizers(nlp: Language) -> list[BiLSTMCRFEntityRecognizer]:
    """Return the `bilstm_crf_ner` components of a pipeline, in their order."""
    return [pipe for _, pipe in nlp.pipeline if isinstance(pipe, BiLSTMCRFEntityRecognizer)]


def components_with_crf(nlp: Language) -> list[TrainableCRF]:
    """Return the components of a pipeline around a CRF, in their order."""
    return [pipe for _, pipe in nlp.pipeline if isinstance(pipe, TrainableCRF)]


def require_recognizers(nlp: Language, pipeline: str, wanted: str) -> None:
    """Check that a pipeline has a `bilstm_crf_ner` component.

    Args:
        nlp: The pipeline.
        pipeline: What messages call it.
        wanted: What is wanted that only such a component knows.

    Raises:
        UserError: If it has none, naming the components that it has.
    """
    if not recognizers(nlp):
        raise UserError(
            f"{pipeline} has no bilstm_crf_ner component, which is needed for {wanted}. It has: "
            f"{', '.join(nlp.pipe_names) or 'nothing'}."
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
        factories = [f"{pipe} ({nlp.get_pipe_meta(pipe).factory})" for pipe in nlp.pipe_names]
        raise UserError(
            f"{name} has no bilstm_crf_ner component '{component}', which is needed for "
            f"probabilities. It has: {', '.join(factories) or 'nothing'}. Name one with --component"
        )
    return pipe
