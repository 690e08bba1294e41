"""The word vectors that a config names: of a pipeline, or those that come with the package."""

from pathlib import Path

import spacy
from spacy import util
from spacy.language import Language
from spacy.training.initialize import convert_vectors

from ...common.errors import UserError
from ...common.files import check_folder, save_folder
from ...common.pipelines import load_pipeline
from ...common.resources import VECTORS, shipped_vectors


def is_shipped(vectors: str | Path | None) -> bool:
    """Tell whether this is the name of shipped vectors, and not a folder's or a package's."""
    return str(vectors) in VECTORS and not _is_pipeline(vectors)


def save_shipped(name: str) -> str:
    """Save vectors that come with the package as a folder of that name, as `init vectors` does.

    Returns:
        A sentence about it.

    Raises:
        UserError: If the folder can't be written.
    """
    folder = Path(name)
    check_folder(folder, "--vectors DIR")
    nlp = spacy.blank("en")
    convert_vectors(nlp, shipped_vectors(name), truncate=0, prune=-1, attr="LOWER")
    save_folder(nlp.to_disk, folder)
    n_words = len(nlp.vocab.vectors)
    return (
        f"Word vectors: the {n_words:,} that come with this package, saved in {folder.resolve()}."
    )


def load_vectors(vectors: str | Path) -> Language:
    """Load a pipeline that has word vectors.

    Args:
        vectors: Its folder, or the name of an installed package.

    Raises:
        UserError: If there is none, or it has no vectors.
    """
    if not _is_pipeline(vectors):
        raise UserError(
            f"There are no vectors {vectors}. Name a folder that `spacy init vectors` made, an "
            f"installed pipeline with vectors, or {', '.join(VECTORS)}: those that come with this "
            f"package."
        )
    nlp = load_pipeline(vectors)
    if not nlp.vocab.vectors_length:
        raise UserError(
            f"The pipeline {vectors} has no word vectors. Name one that `spacy init vectors` made."
        )
    return nlp


def _is_pipeline(vectors: str | Path | None) -> bool:
    return Path(str(vectors)).is_dir() or util.is_package(str(vectors))
