"""The folds of cross-validation: which docs are in each, and a model trained on the others.

`cross_validate` scores the models, and `audit` looks for label errors with them. Kept in a folder,
the models are trained once for both.
"""

import hashlib
import json
import random
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, cast

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.util import dict_to_dot, load_config

from ...common.errors import UserError, reported_damage, reported_errors
from ...common.files import check_folder, locked, reported_os_errors, save_folder, write_whole
from ...common.pipelines import load_pipeline
from ...data.corpus import Data, words_of
from ...data.formats.docs import META
from ...training.configs import read_config
from ...training.loop import best_model, train_pipeline

# The part of a fold's training docs by which the best state of its model is chosen
SHARE_OF_DEV = 0.1
FOLDS_FILE = "folds.json"
IN_TRAINING = ".training-"  # what the name of a folder begins with whose training has not ended
WITHOUT_DATA = {"paths.train": "", "paths.dev": ""}
# What can't change once models are in a folder, and how a message says that it has
DIFFERENCES = {
    "folds": "another number of folds ({}, now {})",
    "seed": "another seed ({}, now {})",
    "group_by": "another --group-by ({}, now {})",
    "data": "other data",
    "groups": "other groups of docs",
    "config": "another config",
}


class Fold(NamedTuple):
    """Held-out docs, by their indices, and a model that was trained on the others.

    Attributes:
        held_out: Indices of the docs that the model has not seen.
        nlp: The model.
        was_there: Whether it was trained earlier, and read from the folder.
    """

    held_out: list[int]
    nlp: Language
    was_there: bool = False


def trained_folds(
    config: Path,
    overrides: Mapping[str, Any],
    docs: Sequence[Doc],
    n_folds: int,
    use_gpu: int = -1,
    seed: int = 0,
    *,
    group_by: str | None = None,
    folder: Path | None = None,
) -> Iterator[Fold]:
    """Split docs into folds, and train a model on all others of each.

    Docs with the same words are in the same fold: otherwise a model would have seen a copy.

    Args:
        config: A training config. Its paths.train and paths.dev are replaced.
        overrides: Other settings of it to replace.
        docs: The annotated docs.
        n_folds: Number of folds, at least 2.
        use_gpu: ID of the GPU, or -1 for the CPU.
        seed: For the assignment of docs to folds.
        group_by: Key of the docs' meta or `user_data`. Docs with the same value are in one fold.
        folder: Where the models are kept. Those that are there already are not trained again. None
            keeps none.

    Raises:
        UserError: If there are fewer groups of docs than folds, a training fails, or the folder
            holds the models of other data, folds or settings.
    """
    place = fold_of_docs(docs, n_folds, seed, group_by)
    with ExitStack() as stack:
        if folder is not None:
            check_folder(folder)
            with reported_os_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(folder))
            made_of = _definition(config, overrides, docs, place)
            _begin(folder, {"folds": n_folds, "seed": seed, "group_by": group_by, **made_of})
        for fold in range(n_folds):
            held_out = [i for i, of in enumerate(place) if of == fold]
            kept = None if folder is None else folder / f"fold-{fold + 1}"
            if kept is not None and kept.exists():
                yield Fold(held_out, load_pipeline(kept), was_there=True)
                continue
            others = [doc for doc, of in zip(docs, place) if of != fold]
            with TemporaryDirectory(prefix=IN_TRAINING, dir=folder) as temporary:
                best = _train(config, overrides, others, Path(temporary), use_gpu, seed)
                if kept is not None:
                    save_folder(partial(shutil.move, best), kept)
                nlp = load_pipeline(kept or best)
            yield Fold(held_out, nlp)


def check_apart(folder: Path, data: Data) -> None:
    """Check that models are not kept in a folder of data: what is there would be read as data.

    Args:
        folder: The folder for the models.
        data: The annotated docs, or their path.

    Raises:
        UserError: If they would be.
    """
    if not isinstance(data, str | Path):
        return
    here, there = Path(data).resolve(), folder.resolve()
    if here == there or here in there.parents:
        raise UserError(f"{folder} is in the folder of the data, {data}: name another folder.")


def fold_of_docs(
    docs: Sequence[Doc], n_folds: int, seed: int, group_by: str | None = None
) -> list[int]:
    """Return the fold of each doc. Folds are random, and of about equal size.

    Args:
        docs: The docs. Those with the same words are in the same fold.
        n_folds: Number of folds.
        seed: For the assignment.
        group_by: Key of the docs' meta or `user_data`: those with the same value are in the same
            fold as well.

    Raises:
        UserError: If no doc has a value of this key, or there are fewer groups than folds.
    """
    groups = _groups(docs, group_by)
    if n_folds < 2 or len(groups) < n_folds:
        what = "different docs" if group_by is None else f"groups of docs by {group_by}"
        raise UserError(
            f"{len(groups)} {what} can't be split into {n_folds} folds. Use at least 2 folds "
            f"(--folds), and at most as many as there are {what}."
        )
    random.Random(seed).shuffle(groups)
    groups.sort(key=len, reverse=True)  # so that the smaller ones make up for what the larger left
    place = [0] * len(docs)
    sizes = [0] * n_folds
    for group in groups:
        fold = sizes.index(min(sizes))
        sizes[fold] += len(group)
        for i in group:
            place[i] = fold
    return place


def _groups(docs: Sequence[Doc], group_by: str | None) -> list[list[int]]:
    """Return the docs, by their indices, that belong together: by their words and a key's value."""
    values = [None if group_by is None else _value_of(doc, group_by) for doc in docs]
    if group_by is not None and all(value is None for value in values):
        raise UserError(
            f"--group-by {group_by}: no doc has it in its meta or user_data. They have: "
            f"{', '.join(_keys_of(docs)) or 'nothing'}."
        )
    first_with: dict[tuple[str, str], int] = {}
    leader = list(range(len(docs)))  # of each doc's group, by links

    def found(i: int) -> int:
        while leader[i] != i:
            leader[i] = i = leader[leader[i]]
        return i

    for i, (doc, value) in enumerate(zip(docs, values)):
        keys = [("words", words_of(doc))]
        if value is not None:
            keys.append(("value", value))
        for key in keys:
            one, other = sorted((found(first_with.setdefault(key, i)), found(i)))
            leader[other] = one
    groups: dict[int, list[int]] = {}
    for i in range(len(docs)):
        groups.setdefault(found(i), []).append(i)
    return list(groups.values())


def _value_of(doc: Doc, key: str) -> str | None:
    """Return a doc's value of a key in its user data, its meta, or its extensions."""
    user_data = cast(dict[Any, Any], doc.user_data)  # its keys are not all strings
    meta = user_data.get(META)
    places = (user_data.get(key), meta.get(key) if isinstance(meta, dict) else None)
    found = next((value for value in places if value is not None), None)
    value = user_data.get(("._.", key, None, None)) if found is None else found
    return None if value is None else str(value)


def _keys_of(docs: Iterable[Doc]) -> list[str]:
    names: set[str] = set()
    for doc in docs:
        user_data = cast(dict[Any, Any], doc.user_data)
        meta = user_data.get(META)
        names.update(key for key in user_data if isinstance(key, str) and key != META)
        names.update(map(str, meta) if isinstance(meta, dict) else ())
    return sorted(names)


def _train(
    config: Path,
    overrides: Mapping[str, Any],
    docs: list[Doc],
    folder: Path,
    use_gpu: int,
    seed: int,
) -> Path:
    """Train a pipeline as `spacy train` does; its best state is chosen by a part of the docs.

    Returns:
        The folder of the best state.
    """
    random.Random(seed).shuffle(docs)
    n_dev = max(1, round(SHARE_OF_DEV * len(docs)))
    paths = {"paths.train": folder / "train.spacy", "paths.dev": folder / "dev.spacy"}
    for path, part in zip(paths.values(), (docs[n_dev:], docs[:n_dev])):
        DocBin(docs=part, store_user_data=True).to_disk(path)
    settings = {**overrides, **{name: str(path) for name, path in paths.items()}}
    with reported_errors("A model can't be trained on a part of the data"):
        loaded = load_config(config, overrides=settings, interpolate=False)
        train_pipeline(loaded, folder / "model", use_gpu=use_gpu, verbose=False)
    return best_model(folder / "model")


def _definition(
    config: Path, overrides: Mapping[str, Any], docs: Sequence[Doc], place: Sequence[int]
) -> dict[str, Any]:
    """Return what models are made of, as JSON has it: the data, each doc's fold and the config."""
    settings = {
        "data": data_digest(docs),
        "groups": hashlib.sha256(json.dumps(place).encode("utf8")).hexdigest(),
        "config": read_config(config, {**overrides, **WITHOUT_DATA}),
    }
    return cast(dict[str, Any], json.loads(json.dumps(settings)))


def data_digest(docs: Iterable[Doc]) -> str:
    """Return a SHA-256 of the words and all annotation of docs, in their order."""
    sha = hashlib.sha256()
    for doc in docs:
        tokens = [(token.text, token.whitespace_, token.ent_iob_, token.ent_type_) for token in doc]
        groups = {
            key: [(span.start, span.end, span.label_) for span in group]
            for key, group in sorted(doc.spans.items())
        }
        sha.update(json.dumps([tokens, groups]).encode("utf8"))
    return sha.hexdigest()


def _begin(folder: Path, definition: dict[str, Any]) -> None:
    """Write to the folder what its models are of, or check that it is the same as before.

    Raises:
        UserError: If it is not, naming what differs, or there is something else in the folder.
    """
    path = folder / FOLDS_FILE
    if not path.exists():
        there = sorted(folder.glob("fold-*"))
        if there:
            raise UserError(
                f"{folder} has a {there[0].name}, but no {FOLDS_FILE} to say what it was trained "
                f"on: name another folder."
            )
        write_whole(path, json.dumps(definition, indent=1) + "\n")
        return
    with reported_damage(f"{path} is damaged: name another folder"):
        before = dict_to_dot(json.loads(path.read_text(encoding="utf8")))
    now = dict_to_dot(definition)
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if changed:
        what, _, where = changed[0].partition(".")
        old, new = ("none" if one is None else one for one in (before.get(what), now.get(what)))
        differs = DIFFERENCES.get(what, f"another {what}").format(old, new)
        if where:
            differs += f" ({where} is different)"
        raise UserError(
            f"{folder} holds models with {differs}: name another folder, or go on with the same."
        )
    for left_over in folder.glob(f"{IN_TRAINING}*"):  # of a process that was killed
        shutil.rmtree(left_over, ignore_errors=True)
