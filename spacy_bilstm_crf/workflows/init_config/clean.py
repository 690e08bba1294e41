"""Training data without copies and without what is in the development data."""

from collections.abc import Sequence
from pathlib import Path

from spacy.tokens import Doc

from ...common.errors import UserError
from ...common.files import reported_os_errors, written_whole
from ...data.corpus import Data, check_annotated, without_copies
from ...data.entity_source import EntitySource
from ...data.formats import Findings, FormatSettings, write
from ...data.statistics import n_shared

CLEAN_TRAIN = "train.spacy"


def clean_path(folder: str | Path, read: Sequence[Data | None]) -> Path:
    """Return the file of the clean training data in a folder.

    Args:
        folder: The folder.
        read: The data that are read.

    Raises:
        UserError: If the file is part of these data.
    """
    path = Path(folder) / CLEAN_TRAIN
    for data in read:
        given = Path(data).resolve() if isinstance(data, str | Path) else None
        if given is not None and given in (path.resolve(), *path.resolve().parents):
            raise UserError(f"{path} is, or is inside, the input {data}. Name another folder.")
    return path


def clean_docs(
    train: Sequence[Doc], dev: Sequence[Doc], where: EntitySource
) -> tuple[list[Doc], str]:
    """Leave out the training docs that are copies or also in the development data.

    The development data stay as they are, so that scores can be compared with earlier ones.

    Args:
        train: The training data.
        dev: The development data.
        where: Where they have their entities.

    Returns:
        The docs that stay, and a sentence on what was left out.

    Raises:
        UserError: If no annotated doc stays.
    """
    kept = without_copies(train, dev)
    if not kept:
        raise UserError(
            f"All {len(train):,} training docs are also in the development data. Name other "
            f"development data with --dev."
        )
    check_annotated(kept, "The clean training data", where)
    shared = n_shared(train, dev)
    copies = len(train) - len(kept) - shared
    return kept, (
        f"Left out of {len(train):,} training docs: {shared:,} that are also in the development "
        f"data, and {copies:,} exact copies of earlier ones."
    )


def write_docs(path: Path, docs: Sequence[Doc]) -> None:
    """Write docs to a `.spacy` file, which appears when it is complete.

    Raises:
        UserError: If it can't be written.
    """
    with reported_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as partial:
            write(docs, partial, "spacy", FormatSettings(), Findings())
