"""A component that knows the sentences of a data set, as its annotators set them."""

from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from benchmarks.harness.training import docs_of

PARTS = ("train", "dev", "test")


@Language.factory("known_sentences")
class KnownSentences:
    """Set the sentences of docs that are in a data set. Any other doc is one sentence.

    Args:
        nlp: The pipeline.
        name: Name of the component.
        data: Folder of the data set.
    """

    def __init__(self, nlp: Language, name: str, data: str):
        self.starts: dict[tuple[str, ...], list[bool]] = {
            tuple(token.text for token in doc): [bool(token.is_sent_start) for token in doc]
            for part in PARTS
            for doc in docs_of(Path(data) / part)
        }

    def __call__(self, doc: Doc) -> Doc:
        """Set the sentences."""
        starts = self.starts.get(tuple(token.text for token in doc), [False] * len(doc))
        for token, starts_here in zip(doc, starts):
            token.is_sent_start = starts_here or token.i == 0
        return doc
