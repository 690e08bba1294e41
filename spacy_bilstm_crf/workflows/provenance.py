"""What a pipeline has seen of some documents, by provenance alone.

Conformal risk control needs documents that are exchangeable with new ones. Those by which the model
was trained, chosen or calibrated are not: it does better on them. A pipeline's config names the
files of its training, and `calibrate` notes in its meta what it was fitted to. No score of a
document is looked at, since a choice by scores would break the exchangeability itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..common.errors import UserError
from ..data.corpus import Data, read_docs, words_of
from .familiarity import Familiarity

CALIBRATION_DATA = "calibration_data"  # of nlp.meta, by the component's name
TRAINED, CHOSEN, CALIBRATED = "trained", "chosen", "calibrated"
CORPORA = {TRAINED: "train_corpus", CHOSEN: "dev_corpus"}  # settings of [training]


class Use(NamedTuple):
    """What documents were used for.

    Attributes:
        how: `TRAINED`, `CHOSEN` or `CALIBRATED`.
        path: The file or folder; None if docs were given.
        n_docs: Number of the given docs that are among them; None if the path can't be read.
    """

    how: str
    path: str | None
    n_docs: int | None


def uses_of(nlp: Language, component: str, docs: Sequence[Doc]) -> list[Use]:
    """Find out what some docs have been used for in making a pipeline.

    A doc counts as the same if it has the same words.

    Args:
        nlp: The pipeline.
        component: Name of the component that may have been calibrated.
        docs: The docs.

    Returns:
        A use for each file that the pipeline names, if some of the docs are in it or it can't be
        read. What was made from Python, or on another machine, may be unknown.
    """
    words = [words_of(doc) for doc in docs]
    named = {how: _corpus_path(nlp, key) for how, key in CORPORA.items()}
    noted = nlp.meta.get(CALIBRATION_DATA, {}).get(component)
    uses = [Use(how, path, _n_shared(words, path)) for how, path in named.items() if path]
    if noted is not None:
        path = noted["path"]
        same = noted["digest"] == digest(docs)
        n_docs = len(docs) if same else _n_shared(words, path) if path else 0
        uses.append(Use(CALIBRATED, path, n_docs))
    return [use for use in uses if use.n_docs != 0]


def note_calibration(
    nlp: Language, component: str, data: Data, docs: Sequence[Doc], familiarity: Familiarity
) -> None:
    """Note in a pipeline's meta which docs a component was calibrated on: path and digest.

    Args:
        nlp: The pipeline.
        component: Name of the component.
        data: The docs as they were given, or their path.
        docs: The docs.
        familiarity: How well the component knows them.
    """
    path = str(data) if isinstance(data, str | Path) else None
    noted = {"path": path, "digest": digest(docs), **familiarity._asdict()}
    nlp.meta.setdefault(CALIBRATION_DATA, {})[component] = noted


def calibration_familiarity(nlp: Language, component: str) -> Familiarity:
    """Return how well a component knows the docs that it was calibrated on, as far as noted."""
    noted = nlp.meta.get(CALIBRATION_DATA, {}).get(component, {})
    return Familiarity(noted.get("entropy"), noted.get("unknown"))


def digest(docs: Iterable[Doc]) -> str:
    """Return a SHA-256 of the words of docs, whatever their order."""
    return sha256("\n".join(sorted(map(words_of, docs))).encode()).hexdigest()


def _corpus_path(nlp: Language, key: str) -> str | None:
    """Return the path of the corpus that a setting of [training] names; None if there is none."""
    config: Any = nlp.config.interpolate()
    name = config.get("training", {}).get(key)
    for part in str(name).split("."):
        config = config.get(part) if isinstance(config, Mapping) else None
    path = config.get("path") if isinstance(config, Mapping) else None
    return str(path) if path else None


def _n_shared(words: Sequence[str], path: str) -> int | None:
    """Count the docs that a file or folder has too; None if it can't be read."""
    try:
        there = {words_of(doc) for doc in read_docs(path, Vocab())}
    except UserError:
        return None
    return sum(of_doc in there for of_doc in words if of_doc)
