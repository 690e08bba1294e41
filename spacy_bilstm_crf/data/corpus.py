"""Annotated data as the commands read it: docs, and examples as in a training."""

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy.attrs import ENT_IOB, ENT_TYPE, ORTH
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab

from ..common.errors import UserError, is_out_of_memory, one_line, reported_errors
from ..common.files import files_below, reported_os_errors
from .entity_source import DOC_ENTS, EntitySource
from .formats.docbin import read_docbin
from .formats.settings import DocSettings
from .texts import DEFAULT_ID, Text, read_texts, text_of_doc

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
    files = [path]
    if path.is_dir():
        with reported_os_errors(path):
            files = [file for file in files_below(path) if file.suffix == ".spacy"]
    if not files or files[0].suffix != ".spacy":
        raise UserError(
            f"{path} holds no .spacy file. Convert the data first, as in: "
            f"python -m spacy convert data.conll . --converter conll"
        )
    names = [file.relative_to(path).with_suffix("") if path.is_dir() else file for file in files]
    return [(name.as_posix(), list(read_docbin(file, vocab))) for name, file in zip(names, files)]


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


def read_annotated(data: Data, vocab: Vocab, where: EntitySource = DOC_ENTS) -> list[Doc]:
    """Read docs of which at least one must have an entity: see `read_files`.

    Args:
        data: What to read.
        vocab: The vocab that the docs get.
        where: Where the docs have their entities.

    Raises:
        UserError: If they can't be read, or none has an entity.
    """
    docs = read_docs(data, vocab)
    check_annotated(docs, data, where)
    return docs


def check_annotated(docs: Sequence[Doc], data: Data, where: EntitySource = DOC_ENTS) -> None:
    """Check that at least one doc has an entity.

    Args:
        docs: The docs.
        data: What they were read from, for the message.
        where: Where the docs have their entities.

    Raises:
        UserError: If none has.
    """
    if not any(where.entities(doc) for doc in docs):
        name = data if isinstance(data, str | Path) else "The data"
        if where.may_overlap:
            known = ", ".join(sorted({key for doc in docs for key in doc.spans})) or "nothing"
            raise UserError(
                f"{name} has {len(docs):,} docs, but no entity in {where} of any of them. "
                f"doc.spans has: {known}."
            )
        raise UserError(
            f"{name} has {len(docs):,} docs, but no entity in any of them: annotate them "
            f"(doc.ents), or convert the data again with its entity tags."
        )


def read_examples(data: Data, nlp: "Language", where: EntitySource = DOC_ENTS) -> list[Example]:
    """Read annotated docs and pair each with an unannotated one, as spaCy's `Corpus` does.

    Args:
        data: What to read.
        nlp: The pipeline.
        where: Where the docs have their entities.

    Raises:
        UserError: If the docs can't be read, none has an entity, or a text is too long.
    """
    return [Example(unannotated(nlp, doc), doc) for doc in read_annotated(data, nlp.vocab, where)]


def texts_of(
    texts: str | Path | Iterable[str | Text | Doc],
    text_key: str = "text",
    *,
    lines: bool = False,
    id_key: str = DEFAULT_ID,
) -> Iterator[Text]:
    """Yield the texts of a file or folder, or texts that are given.

    A doc keeps its words where it has unknown spaces, and its id and meta.

    Args:
        texts: A path, for `read_texts`, or the texts.
        text_key: Key or column of the text in JSON, CSV and Parquet.
        lines: Whether each line of a .txt file is a text; otherwise the whole file is one.
        id_key: Key or column of the id.

    Raises:
        UserError: If the path can't be read.
    """
    if isinstance(texts, str | Path):
        yield from read_texts(texts, text_key, lines=lines, id_key=id_key)
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
    # What spaCy compares to align tokens: all but white space and capitalization
    if made.text != doc.text and letters(made.text.lower()) != letters(doc.text.lower()):
        raise _changed(made, doc.text)
    return made


def doc_of_text(nlp: "Language", text: Text) -> Doc:
    """Make a doc of a text, which has its characters but for white space.

    Raises:
        UserError: If the pipeline's tokenizer changes the text.
    """
    made = text.doc(nlp)
    if text.words is None and made.text != text.text and letters(made.text) != letters(text.text):
        raise _changed(made, text.text)
    return made


def _changed(made: Doc, text: str) -> UserError:
    words = [token.text for token in made[:10]]
    return UserError(
        f"The pipeline's tokenizer changes texts: it makes {words}"
        f"{' ...' if len(made) > 10 else ''} of {text[:50]!r}{' ...' if len(text) > 50 else ''}. "
        f"Annotation needs the characters of the text: use a tokenizer that neither adds nor "
        f"leaves out nor changes any but white space."
    )


def letters(text: str) -> str:
    """Return a text without its white space, to compare texts whatever their tokenizer."""
    return "".join(text.split())


def misaligned_entities(
    predicted: Doc, reference: Doc, where: EntitySource = DOC_ENTS
) -> list[Span]:
    """Return annotated entities that are not made of tokens, which training takes as missing.

    Args:
        predicted: The text with the tokens of a pipeline.
        reference: The text with its annotation.
        where: Where the docs have their entities.
    """
    found = []
    for ent in where.entities(reference):
        span = predicted.char_span(ent.start_char, ent.end_char)
        if span is None or span[0].is_space or span[-1].is_space:
            found.append(ent)
    return found


def misaligned_warning(examples: Iterable[Example], where: EntitySource = DOC_ENTS) -> str | None:
    """Say how many annotated entities are not made of tokens: nothing is learned from these.

    Args:
        examples: The examples.
        where: Where their docs have their entities.

    Returns:
        A sentence; None if there are none.

    Raises:
        UserError: If all entities are so.
    """
    pairs = [(example.predicted, example.reference) for example in examples]
    n_entities = sum(len(where.entities(reference)) for _, reference in pairs)
    found = [ent for pair in pairs for ent in misaligned_entities(*pair, where)]
    if not found:
        return None
    said = (
        f"{len(found):,} of the {n_entities:,} annotated entities don't begin and end where tokens "
        f"of the pipeline do, such as {found[0].text!r:.80} ({found[0].label_})."
    )
    if len(found) == n_entities:
        raise UserError(
            f"{said} So there is nothing to learn from: correct them, or use a pipeline of the "
            f"data's language."
        )
    return f"{said} They are ignored."


def unread_incorrect_spans(nlp: "Language", docs: Iterable[Doc]) -> str | None:
    """Say that docs have rejected spans that no component of a pipeline learns from.

    Args:
        nlp: The pipeline of a training config.
        docs: The training docs.

    Returns:
        A sentence that says what to set; None if nothing is lost.
    """
    key = DocSettings().incorrect_spans_key
    n_spans = sum(len(doc.spans.get(key, ())) for doc in docs)
    keys = {name: getattr(pipe, "incorrect_spans_key", "") for name, pipe in nlp.pipeline}
    readers = [name for name, read in keys.items() if read != ""]
    if not n_spans or not readers or key in keys.values():
        return None
    return (
        f"The training data have {n_spans:,} rejected spans in doc.spans[{key!r}] that are not "
        f"learned from: set --components.{readers[0]}.incorrect_spans_key {key}"
    )


def without_copies(docs: Iterable[Doc], others: Iterable[Doc] = ()) -> list[Doc]:
    """Leave out docs with the words of other docs, and exact copies of earlier docs.

    Args:
        docs: The docs, of one vocab.
        others: Docs whose words are not to recur, however they are annotated.

    Returns:
        The docs that stay. Docs with the same words stay if they are annotated differently.
    """
    taken = {words_of(doc) for doc in others}
    kept: dict[Any, Doc] = {}
    for doc in docs:
        if words_of(doc) not in taken:
            kept.setdefault(_annotated_words(doc), doc)
    return list(kept.values())


def _annotated_words(doc: Doc) -> Hashable:
    spans = frozenset(
        (key, span.start, span.end, span.label_)
        for key, group in doc.spans.items()
        for span in group
    )
    return doc.to_array([ORTH, ENT_IOB, ENT_TYPE]).tobytes(), spans


def before_component(nlp: "Language", docs: Iterable[Doc], component: str) -> list[Doc]:
    """Run the components before one, such as a tok2vec or transformer that it listens to.

    Raises:
        UserError: If one of them fails, naming it.
    """
    names = nlp.pipe_names[: nlp.pipe_names.index(component)]
    return list(predicted_docs(nlp, docs, names))


def predicted_docs(
    nlp: "Language", docs: Iterable[Doc], components: Collection[str] | None = None
) -> Iterator[Doc]:
    """Run a pipeline over docs, as `nlp.pipe` does.

    Args:
        nlp: The pipeline.
        docs: The docs, which are changed.
        components: Names of the components to run; None for all.

    Raises:
        UserError: If a component fails, naming it, or leaves entities that spaCy can't read.
    """
    for name in nlp.pipe_names:
        if components is None or name in components:
            docs = after_component(nlp, docs, name)
    for doc in docs:
        with reported_errors("The pipeline's components leave entities that can't be read"):
            _ = doc.ents
        yield doc


def after_component(nlp: "Language", docs: Iterable[Doc], component: str) -> Iterator[Doc]:
    """Run one component over docs.

    Raises:
        UserError: If it fails, naming it. A fault of this package is raised as it is.
    """
    pipe = nlp.get_pipe(component)
    is_ours = type(pipe).__module__.partition(".")[0] == __name__.partition(".")[0]
    expected = ValueError if is_ours else Exception  # code of a user may raise anything
    try:
        if hasattr(pipe, "pipe"):
            yield from pipe.pipe(docs, batch_size=nlp.batch_size)
        else:
            yield from map(pipe, docs)
    except UserError:
        raise
    except expected as error:
        if is_out_of_memory(error):
            raise
        what = f"{type(error).__name__}: {one_line(error)}"
        raise UserError(f"The pipeline's component '{component}' fails: {what}") from error


def words_of(doc: Doc) -> str:
    """Return a doc's words, to compare docs regardless of their annotation and white space."""
    return " ".join(token.text for token in doc if not token.is_space)
