"""What any pipeline finds in a doc: up to a component, and as plain values."""

from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span

from ..common.errors import UserError
from ..pipeline.confidence import confidence
from ..pipeline.ner import BiLSTMCRFEntityRecognizer

Found = dict[str, Any]


def recognizers(nlp: Language) -> list[BiLSTMCRFEntityRecognizer]:
    """The components of a pipeline that know probabilities."""
    return [pipe for _, pipe in nlp.pipeline if isinstance(pipe, BiLSTMCRFEntityRecognizer)]


def recognizer(nlp: Language) -> BiLSTMCRFEntityRecognizer | None:
    """The first of them, if there is one."""
    return next(iter(recognizers(nlp)), None)


def no_recognizer(nlp: Language, pipeline: str, wanted: str) -> str:
    """What to say where there is none, and something is wanted that others don't know."""
    return (
        f"{pipeline} has no bilstm_crf_ner component, and others know no {wanted}. It has: "
        f"{', '.join(nlp.pipe_names) or 'nothing'}."
    )


def entities_of(doc: Doc) -> list[Found]:
    """The entities of a doc: see `plain`."""
    return [plain(ent, confidence(ent)) for ent in doc.ents]


def candidates_of(ner: BiLSTMCRFEntityRecognizer, doc: Doc) -> list[Found]:
    """The candidates that a component has put into a doc: see `plain`."""
    if ner.candidates_key not in doc.spans:
        return []
    group = doc.spans[ner.candidates_key]
    return [plain(span, float(score)) for span, score in zip(group, group.attrs["scores"])]


def plain(span: Span, probability: float | None) -> Found:
    """A span: its characters, as Python counts them, text, label, and probability if known."""
    return {
        "start": span.start_char,
        "end": span.end_char,
        "text": span.text,
        "label": span.label_,
        "confidence": probability,
    }


def recognizer_of(nlp: "Language", name: str, component: str) -> "BiLSTMCRFEntityRecognizer":
    """The component of a pipeline that knows probabilities.

    Args:
        nlp: The pipeline.
        name: How the command was given it.
        component: The component's name.

    Raises:
        UserError: If it is not there, or of another factory.
    """
    pipe = nlp.get_pipe(component) if component in nlp.pipe_names else None
    if not isinstance(pipe, BiLSTMCRFEntityRecognizer):
        factories = [f"{pipe} ({nlp.get_pipe_meta(pipe).factory})" for pipe in nlp.pipe_names]
        raise UserError(
            f"{name} has no bilstm_crf_ner component '{component}', and others know no "
            f"probabilities. It has: {', '.join(factories) or 'nothing'}. Name one with --component"
        )
    return pipe
