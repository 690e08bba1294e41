"""Annotated data as commands read it: docs, and examples as a training would see them."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from ..common.errors import UserError
from .formats.files import read_docbin

if TYPE_CHECKING:
    from spacy.language import Language


def read_files(path: Path, vocab: Vocab) -> list[tuple[str, list[Doc]]]:
    """The docs of a `.spacy` file, or of each such file in a folder and in its folders.

    Returns:
        The name of each file, in a folder without the ending, and its docs.

    Raises:
        UserError: If there is no such path, no such file in it, or if one is damaged.
    """
    if not path.exists():
        raise UserError(
            f"There is no file or folder {path}. Name a .spacy file, as `spacy convert` writes it."
        )
    files = sorted(path.rglob("*.spacy")) if path.is_dir() else [path]
    if not files or files[0].suffix != ".spacy":
        raise UserError(
            f"{path} holds no .spacy file. Convert the data first, as in: "
            f"python -m spacy convert data.conll . --converter conll"
        )
    found = []
    for file in files:
        try:
            docs = list(read_docbin(file, vocab))
        except UserError as error:
            what = str(error).rstrip(".")
            raise UserError(f"{what}: convert the data again with `spacy convert`.") from error
        name = file.relative_to(path).with_suffix("") if path.is_dir() else file
        found.append((str(name), docs))
    return found


def read_docs(path: Path, vocab: Vocab) -> list[Doc]:
    """All docs of a `.spacy` file, or of such files in a folder and in its folders.

    Raises:
        UserError: If there is no such path, no such file in it, or if one is damaged.
    """
    return [doc for _, docs in read_files(path, vocab) for doc in docs]


def read_annotated(path: Path, vocab: Vocab) -> list[Doc]:
    """The same, where some doc has an entity.

    Raises:
        UserError: If none has.
    """
    docs = read_docs(path, vocab)
    check_annotated(docs, path)
    return docs


def check_annotated(docs: list[Doc], path: Path) -> None:
    """See to it that some doc has an entity.

    Raises:
        UserError: If none has, naming the path that they came from.
    """
    if not any(doc.ents for doc in docs):
        raise UserError(
            f"{path} has {len(docs):,} docs, but no entity in any of them: annotate them "
            f"(doc.ents), or convert the data again with its entity tags."
        )


def read_examples(path: Path, nlp: "Language") -> list[Example]:
    """The same docs beside new ones of the same texts, as spaCy's `Corpus` makes them.

    Raises:
        UserError: If no doc has an entity, or a text is too long.
    """
    return [Example(unannotated(nlp, doc), doc) for doc in read_annotated(path, nlp.vocab)]


def unannotated(nlp: "Language", doc: Doc) -> Doc:
    """Make a new doc of the same text, as spaCy's `Corpus` makes those that it trains on.

    It has the tokens of the old one where that has unknown spaces, as columns of words have, and
    otherwise those of the pipeline's tokenizer.

    Raises:
        UserError: If the text is longer than `nlp.max_length`.
    """
    if doc.has_unknown_spaces:
        return Doc(nlp.vocab, words=[token.text for token in doc])
    if len(doc.text) > nlp.max_length:  # spaCy's E088
        raise UserError(
            f"A text has {len(doc.text):,} characters, and this pipeline takes {nlp.max_length:,} "
            f"at most: cut it into several docs. It begins with: {doc.text[:50]!r}"
        )
    return nlp.tokenizer(doc.text)


def before_component(nlp: "Language", docs: Iterable[Doc], component: str) -> list[Doc]:
    """Run the components before one, such as a tok2vec or transformer that it listens to."""
    for _, pipe in nlp.pipeline[: nlp.pipe_names.index(component)]:
        docs = pipe.pipe(docs) if hasattr(pipe, "pipe") else map(pipe, docs)
    return list(docs)


def words_of(doc: Doc) -> str:
    """A doc's words, for comparing docs whatever their annotation and white space."""
    return " ".join(token.text for token in doc if not token.is_space)
