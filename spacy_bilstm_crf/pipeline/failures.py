"""Errors that say what to do: of labels, examples, scores that are no numbers, files."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import srsly
from spacy.errors import Errors
from spacy.training import Example, validate_examples
from thinc.api import get_array_module

from ..common.errors import is_out_of_memory
from ..potentials import Potentials

# The file of a component's folder that holds the checksums of these others
CHECKSUMS = "checksums"
SAVED_FILES = ("cfg", "model")


def check_label(label: str) -> None:
    """Check that a string can be an entity label.

    Raises:
        ValueError: If it is not a string (spaCy's E187), is empty, or starts with the "!" that
            used to mark negated labels (E869).
    """
    if not isinstance(label, str):
        raise ValueError(f"{Errors.E187} Not a string: {label!r}.")
    if not label.strip():
        raise ValueError(f"Can't add the label {label!r}: an entity label can't be empty.")
    if label.startswith("!"):
        raise ValueError(Errors.E869.format(label=label))


def checked_examples(examples: Iterable[Example], method: str) -> list[Example]:
    """The examples of a batch, if they are any.

    Raises:
        TypeError: If they are something else (spaCy's E978).
    """
    examples = list(examples)  # a generator can be read once, and validation reads it
    validate_examples(examples, f"BiLSTMCRFEntityRecognizer.{method}")
    return examples


def check_finite(potentials: Potentials, component: str) -> None:
    """Fail before NaN reaches the CRF, where the cause is harder to see.

    Raises:
        ValueError: If a score is NaN, infinite or so large that its square is: then nothing would
            be impossible any more beside it.
    """
    xp = get_array_module(potentials.transitions)
    shared = [potentials.transitions, potentials.start, potentials.end]
    # A sum of squares is finite only if every part of it is
    if not xp.isfinite(sum(xp.vdot(part, part) for part in [*potentials.emissions, *shared])):
        raise ValueError(
            f"The scores of the component '{component}' are NaN, infinite or beyond 1e19. If this "
            f"is in training, lower the optimizer's learn_rate or its grad_clip, and look for NaN "
            f"in the word vectors; a model that is saved so has to be trained again."
        )


@contextmanager
def explained_errors(source: str) -> Iterator[None]:
    """Say which component, and from where, can't be loaded, and what may help."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise  # says nothing about the files
        raise ValueError(
            f"Can't load a bilstm_crf_ner component from {source}: {error!r}. If files are "
            f"missing or cut short, copy or unpack the pipeline again; if the config or the "
            f"labels were changed since it was saved, put them back."
        ) from error


def write_checksums(folder: str | Path) -> None:
    """Keep the checksums of a component's files beside them.

    A bit that flips in a weight or in a label, or a file of another model, would otherwise change
    the entities without a word.
    """
    files = [Path(folder) / name for name in SAVED_FILES]
    checksums = {path.name: _checksum(path) for path in files if path.exists()}
    srsly.write_json(Path(folder) / CHECKSUMS, checksums)


def check_checksums(folder: str | Path, exclude: Iterable[str]) -> None:
    """Compare a component's files with the checksums beside them, if there are any.

    Raises:
        ValueError: If a file is another than was saved.
    """
    path = Path(folder) / CHECKSUMS
    saved = srsly.read_json(path) if path.exists() else {}
    for name in set(SAVED_FILES).intersection(saved).difference(exclude):
        if saved[name] != _checksum(path.with_name(name)):
            raise ValueError(
                f"The file {path.with_name(name)} is another than was saved: its checksum in the "
                f"file {CHECKSUMS} beside it is wrong. If you changed it on purpose, remove that "
                f"file"
            )


def _checksum(path: Path) -> str:
    content = path.read_bytes()
    if path.name == "cfg":  # text, in which other line endings are no damage
        content = srsly.json_dumps(srsly.read_json(path), sort_keys=True).encode("utf8")
    return sha256(content).hexdigest()
