"""Training configs: reading one, filling it in, and checking it and its data."""

import contextlib
import io
from collections.abc import Mapping
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import Doc
from spacy.util import (
    get_sourced_components,
    load_config,
    load_model_from_config,
    registry,
    resolve_dot_names,
)
from thinc.api import Config

from ..common.errors import UserError, reported_errors

# A corpus may be a stream without an end
MOST_DOCS_READ = 10_000
RECOGNIZERS = ("ner", "bilstm_crf_ner", "beam_ner")


def read_config(path: Path, overrides: Mapping[str, Any]) -> Config:
    """Read a config and fill in all that was left out of the file.

    Args:
        path: The file.
        overrides: Values that replace the file's, by their paths.

    Raises:
        UserError: If there is no such file, or spaCy refuses what it says.
    """
    if not path.is_file():
        raise UserError(f"There is no config {path}. `init-config` writes one.")
    with refused(f"spaCy can't read the config {path}"):
        config = load_config(path, overrides=dict(overrides), interpolate=False)
    with refused(f"spaCy refuses the config {path}"):
        return filled_config(config)


def filled_config(config: Config) -> Config:
    """Return the config as spaCy saves it: with all defaults, and its references kept.

    Raises:
        Exception: Of several kinds, if spaCy refuses it.
    """
    filled = checked_pipeline(config).config
    # As `spacy init fill-config` does: a sourced component is trained further, not anew
    for name in get_sourced_components(config):
        filled["components"][name] = config["components"][name]
    return filled


def checked_pipeline(config: Config) -> Language:
    """Make the untrained pipeline of a config, and check the settings of its training."""
    # Some layers print on what is missing
    with contextlib.redirect_stdout(io.StringIO()):
        nlp = load_model_from_config(config, auto_fill=True)
        registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    return nlp


def check_data(config: Config) -> tuple[Language, list[Doc]]:
    """Check that the training and development data can be read and have entities.

    Returns:
        The untrained pipeline, and the training docs, at most `MOST_DOCS_READ`.

    Raises:
        UserError: If not.
    """
    with refused("spaCy refuses the config"):
        nlp = checked_pipeline(config)
        plain = nlp.config.interpolate()
    names = [plain["training"]["train_corpus"], plain["training"]["dev_corpus"]]
    with refused("The data can't be read (--paths.train, --paths.dev)"):
        corpora = resolve_dot_names(plain, names)
    finds_entities = any(nlp.get_pipe_meta(name).factory in RECOGNIZERS for name in nlp.pipe_names)
    read = []
    for part, corpus in zip(("training", "development"), corpora):
        with refused(f"The {part} data can't be read (--paths.train, --paths.dev)"):
            docs = [example.reference for example in islice(corpus(nlp), MOST_DOCS_READ)]
        if not docs:
            raise UserError(f"The {part} data are empty: convert them again.")
        if finds_entities and not any(doc.ents for doc in docs):
            raise UserError(f"The {part} data have {len(docs):,} docs, but no entity in them.")
        read.append(docs)
    return nlp, read[0]


def refused(what: str) -> AbstractContextManager[None]:
    """Turn any error of a block into a `UserError` that begins with what was wrong."""
    return reported_errors(what, Exception)  # pydantic's, confection's, the layers' own
