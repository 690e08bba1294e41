"""What any pipeline finds in a doc: up to a component, and as plain values."""

from typing import Any, Dict, Iterable, List, Optional

from spacy.language import Language
from spacy.tokens import Doc, Span

from .ner import BiLSTMCRFEntityRecognizer
from .span_scores import confidence

Found = Dict[str, Any]


def recognizers(nlp: Language) -> List[BiLSTMCRFEntityRecognizer]:
    """The components of a pipeline that know probabilities."""
    return [pipe for _, pipe in nlp.pipeline if isinstance(pipe, BiLSTMCRFEntityRecognizer)]


def recognizer(nlp: Language) -> Optional[BiLSTMCRFEntityRecognizer]:
    """The first of them, if there is one."""
    return next(iter(recognizers(nlp)), None)


def no_recognizer(nlp: Language, pipeline: str, wanted: str) -> str:
    """What to say where there is none, and something is wanted that others don't know."""
    return (
        f"{pipeline} has no bilstm_crf_ner component, and others know no {wanted}. It has: "
        f"{', '.join(nlp.pipe_names) or 'nothing'}."
    )


def before_component(nlp: Language, docs: Iterable[Doc], component: str) -> List[Doc]:
    """Docs as a component gets them: after a tok2vec or transformer that it listens to."""
    for _, pipe in nlp.pipeline[: nlp.pipe_names.index(component)]:
        docs = pipe.pipe(docs) if hasattr(pipe, "pipe") else map(pipe, docs)
    return list(docs)


def unannotated(nlp: Language, doc: Doc) -> Doc:
    """A new doc of the same text, made as spaCy's `Corpus` makes those that it trains on.

    It has the tokens of the old one where that has unknown spaces, as columns of words have, and
    otherwise those of the pipeline's tokenizer, whatever `nlp.max_length` is.
    """
    if not doc.has_unknown_spaces:
        return nlp.tokenizer(doc.text)
    return Doc(nlp.vocab, words=[token.text for token in doc])


def entities_of(doc: Doc) -> List[Found]:
    """The entities of a doc: see `plain`."""
    return [plain(ent, confidence(ent)) for ent in doc.ents]


def candidates_of(ner: BiLSTMCRFEntityRecognizer, doc: Doc) -> List[Found]:
    """The candidates that a component has put into a doc: see `plain`."""
    if ner.candidates_key not in doc.spans:
        return []
    group = doc.spans[ner.candidates_key]
    return [plain(span, float(score)) for span, score in zip(group, group.attrs["scores"])]


def plain(span: Span, probability: Optional[float]) -> Found:
    """A span: its characters, as Python counts them, text, label, and probability if known."""
    return {
        "start": span.start_char,
        "end": span.end_char,
        "text": span.text,
        "label": span.label_,
        "confidence": probability,
    }
