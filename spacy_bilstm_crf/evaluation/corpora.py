"""What is asked of docs in more than one place."""

from typing import Iterable, List

from spacy.language import Language
from spacy.tokens import Doc


def before_component(nlp: Language, docs: Iterable[Doc], component: str) -> List[Doc]:
    """Docs as a component gets them: after a tok2vec or transformer that it listens to."""
    for _, pipe in nlp.pipeline[: nlp.pipe_names.index(component)]:
        docs = pipe.pipe(docs) if hasattr(pipe, "pipe") else map(pipe, docs)
    return list(docs)


def words_of(doc: Doc) -> str:
    """A doc's words, for comparing docs whatever their annotation and white space."""
    return " ".join(token.text for token in doc if not token.is_space)
