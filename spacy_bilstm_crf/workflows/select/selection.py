"""What `select` returns, and how it is written to a file of an annotation tool."""

from pathlib import Path
from typing import NamedTuple

from spacy.tokens import Doc

from ...common.errors import UserError, check_choice
from ...common.files import check_file, check_folder, reported_os_errors, written_whole
from ...data.formats import FORMATS, Findings, FormatSettings, check_replaceable, writable, write
from ...data.formats.docs import PREDICTIONS, predictions_of

# The formats of tools that ask about single entities, and of which the answers are read
QUESTION_FORMATS = ("prodigy", "label-studio")


class Suggestion(NamedTuple):
    """A document to annotate, or a question about one of its entities.

    Attributes:
        place: Its place among the texts.
        score: Its value by the strategy; with "diverse", given those chosen before it.
        doc: The text, not annotated, with the entities that the pipeline finds under "predictions"
            in `doc.spans`. A question has the one entity there that it asks about.
    """

    place: int
    score: float
    doc: Doc


class Selection(NamedTuple):
    """What `select` chose, the most valuable first.

    Attributes:
        suggestions: The documents or questions. The questions about a text stand together.
        n_texts: The number of texts that they were chosen from.
    """

    suggestions: list[Suggestion]
    n_texts: int

    @property
    def has_suggestions(self) -> bool:
        """Whether the pipeline has found an entity in any document."""
        return any(predictions_of(one.doc) for one in self.suggestions)

    def to_disk(self, path: str | Path, *, target: str = "prodigy", text_key: str = "text") -> None:
        """Write the documents to a file or folder, which appears when it is complete.

        Args:
            path: The file, or the folder for a format that has folders.
            target: Its format, one of `data.formats.writable()`. If the format can't hold
                suggestions, they are written as annotation.
            text_key: Key of the text in JSON.

        Raises:
            UserError: If it can't be written.
        """
        path = Path(path)
        check_choice("target", target, writable())
        settings = FormatSettings(text_key=text_key, suffix=path.suffix.lower())
        docs = [one.doc for one in self.suggestions]
        if PREDICTIONS not in FORMATS[target].keeps:
            docs = [_as_annotated(doc) for doc in docs]
        with reported_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as partial:
                write(docs, partial, target, settings, Findings())


def _as_annotated(doc: Doc) -> Doc:
    """Return a doc that has its suggestions as entities."""
    copy = doc.copy()
    copy.set_ents([span for span, _ in predictions_of(copy)])
    return copy


def check_output(output: Path, target: str, force: bool, spans: bool = False) -> None:
    """Check that a selection can be written, before any work is done for it.

    Args:
        output: The file or folder.
        target: The format.
        force: Whether an existing one may be replaced.
        spans: Whether the selection asks about single entities.

    Raises:
        UserError: If it may not, something else is in its place, or the format can't ask.
    """
    if spans and target not in QUESTION_FORMATS:
        raise UserError(
            f"{target} has no answers to questions about single entities: use --to "
            f"{' or --to '.join(QUESTION_FORMATS)}."
        )
    if not FORMATS[target].is_folder:
        check_file(output, force)
        return
    check_folder(output, "name another folder")
    check_replaceable(output, FORMATS[target])
    if output.exists() and not force:
        raise UserError(f"{output} exists. Replace it with --force, or name another folder.")
