"""Annotated data as the commands read it: docs, and examples as in a training."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from ..common.errors import UserError
from .formats.docbin import read_docbin
from .texts import Text, read_texts, text_of_doc

if TYPE_CHECKING:
    from spacy.language import Language

Data = str | Path | Iterable[Doc]


def read_files(data: Data, vocab: Vocab) -> list[tuple[str, list[Doc]]]:
    """Read annotated docs, grouped by the file that they are in.

    Args:
        data: A `.spacy` file, a folder whose subfolders may hold some, or the docs themselves.
        vocab: The vocab that the docs get. Docs of another one are copied.

    Returns:
        The name of each file, in a folder without its ending, and its docs. Docs that were given
        are one group, named "docs".

    Raises:
        UserError: If there is no such path, it holds no such file, or one is damaged.
    """
    if not isinstance(data, str | Path):
        return [("docs", [_in_vocab(doc, vocab) for doc in data])]
    path = Path(data)
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
    names = [file.relative_to(path).with_suffix("") if path.is_dir() else file for file in files]
    return [(str(name), list(read_docbin(file, vocab))) for name, file in zip(names, files)]


def _in_vocab(doc: Doc, vocab: Vocab) -> Doc:
    if not isinstance(doc, Doc):
        raise UserError(
            f"The data must be a path or spaCy docs, but contain a {type(doc).__name__}"
        )
    return doc if doc.vocab is vocab else Doc(vocab).from_bytes(doc.to_bytes())


def read_docs(data: Data, vocab: Vocab) -> list[Doc]:
    """Read annotated docs: see `read_files`.

    Raises:
        UserError: If there is no such path, it holds no `.spacy` file, or one is damaged.
    """
    return [doc for _, docs in read_files(data, vocab) for doc in docs]


def read_annotated(data: Data, vocab: Vocab) -> list[Doc]:
    """Read docs of which at least one must have an entity: see `read_files`.

    Raises:
        UserError: If they can't be read, or none has an entity.
    """
    docs = read_docs(data, vocab)
    check_annotated(docs, data)
    return docs


def check_annotated(docs: list[Doc], data: Data) -> None:
    """Check that at least one doc has an entity.

    Args:
        docs: The docs.
        data: What they were read from, for the message.

    Raises:
        UserError: If none has.
    """
    if not any(doc.ents for doc in docs):
        name = data if isinstance(data, str | Path) else "The data"
        raise UserError(
            f"{name} has {len(docs):,} docs, but no entity in any of them: annotate them "
            f"(doc.ents), or convert the data again with its entity tags."
        )


def read_examples(data: Data, nlp: "Language") -> list[Example]:
    """Read annotated docs and pair each with an unannotated one, as spaCy's `Corpus` does.

    Raises:
        UserError: If the docs can't be read, none has an entity, or a text is too long.
    """
    return [Example(unannotated(nlp, doc), doc) for doc in read_annotated(data, nlp.vocab)]


def texts_of(
    texts: str | Path | Iterable[str | Text | Doc], text_key: str = "text", *, lines: bool = False
) -> Iterator[Text]:
    """Yield the texts of a file or folder, or texts that are given.

    A doc keeps its words where it has unknown spaces, and its id and meta.

    Args:
        texts: A path, for `read_texts`, or the texts.
        text_key: Key or column of the text in JSON, CSV and Parquet.
        lines: Whether each line of a .txt file is a text; otherwise the whole file is one.

    Raises:
        UserError: If the path can't be read.
    """
    if isinstance(texts, str | Path):
        yield from read_texts(texts, text_key, lines=lines)
        return
    for text in texts:
        if isinstance(text, Doc):
            yield text_of_doc(text)
        else:
            yield Text(text) if isinstance(text, str) else text


def unannotated(nlp: "Language", doc: Doc) -> Doc:
    """Make a new doc of the same text, as spaCy's `Corpus` does.

    It keeps the tokens if the doc has unknown spaces, as docs from columns of words have.
    Otherwise the pipeline's tokenizer makes them.

    Raises:
        UserError: If the text is longer than `nlp.max_length`, or the tokens are not those of the
            text, so that they can't be compared with the annotation (spaCy's E949).
    """
    if len(doc.text) > nlp.max_length and not doc.has_unknown_spaces:  # spaCy's E088
        raise UserError(
            f"A text has {len(doc.text):,} characters, and this pipeline takes {nlp.max_length:,} "
            f"at most: cut it into several docs. It begins with: {doc.text[:50]!r}"
        )
    made = text_of_doc(doc).doc(nlp)
    if made.text != doc.text and _letters(made) != _letters(doc):
        raise UserError(
            f"The pipeline's tokenizer changes texts: it makes {_beginning(made)} of "
            f"{_beginning(doc)}. Annotation can't be compared with tokens that are not in the "
            f"text: use a tokenizer that neither adds nor leaves out characters."
        )
    return made


def _letters(doc: Doc) -> str:
    """Return what spaCy compares to align tokens: all but white space and capitalization."""
    return "".join("".join(token.text for token in doc).lower().split())


def _beginning(doc: Doc) -> str:
    words = [token.text for token in doc[:10]]
    return f"{words}{' ...' if len(doc) > 10 else ''}"


def before_component(nlp: "Language", docs: Iterable[Doc], component: str) -> list[Doc]:
    """Run the components before one, such as a tok2vec or transformer that it listens to."""
    for _, pipe in nlp.pipeline[: nlp.pipe_names.index(component)]:
        docs = pipe.pipe(docs) if hasattr(pipe, "pipe") else map(pipe, docs)
    return list(docs)


def words_of(doc: Doc) -> str:
    """Return a doc's words, to compare docs regardless of their annotation and white space."""
    return " ".join(token.text for token in doc if not token.is_space)
