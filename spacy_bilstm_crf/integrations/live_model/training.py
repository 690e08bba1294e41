"""Train a new version on what was annotated, in a process of its own.

Each tool has a module that reads what was annotated there, and is this process:

    python -m spacy_bilstm_crf.integrations.TOOL.training FOLDER PARENT

FOLDER has the annotations; what to do is in FOLDER/training. PARENT is the number of the process
that serves the pipeline: without it this one ends, too.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import srsly
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from thinc.api import Config

from ...common.errors import UserError, one_line, reported_errors
from ...common.pipelines import import_code, load_pipeline, replace_pipeline
from ...common.processes import end_with_parent, use_one_thread
from ...data.completion import complete_annotation
from ...data.corpus import (
    check_annotated,
    misaligned_entities,
    read_annotated,
    read_docs,
    unannotated,
)
from ...data.formats import Problem
from ...data.formats.docs import NOT_ON_TOKENS, TWICE, data_of
from ...inference.recognizers import labels_by_component, recognizer_of
from ...training.loop import best_model, train_pipeline
from ...workflows.quality import quality_of
from ...workflows.risk_control import forget_control
from ...workflows.update.training import MOST_FACTOR
from ...workflows.update.workflow import HELD_OUT, MOST_HELD_OUT
from .settings import Tool
from .versions import version_after, version_folder

JOB, LOG = "job.json", "log.txt"
DROPPED = "dropped.json"  # what of the annotation does not fit the tokens, in numbers
TRAINING = "training"
NICE = 10  # so that predictions come first
# Sections of a config that say how the pipeline was trained, and is to be trained again
OF_TRAINING = ("paths", "corpora", "training", "initialize")


class TrainingJob(NamedTuple):
    """What to train.

    Attributes:
        start: Folder of the version to train further.
        number: The number of the new version.
        n_changes: `LearningState.n_changes` of the annotations.
        n_items: The number of annotated items: see `Tool`.
        component: Name of the component to train.
        old_data: Annotated data (.spacy) to learn from as well.
        dev: Annotated data (.spacy) to choose the model by. None holds out every tenth item and
            every tenth of the old data.
        max_steps: The most steps; None for as many as the pipeline was trained with.
        code: Python file with functions that the pipeline needs.
    """

    start: str
    number: int
    n_changes: int
    n_items: int
    component: str = "ner"
    old_data: str | None = None
    dev: str | None = None
    max_steps: int | None = None
    code: str | None = None

    def to_disk(self, path: Path) -> None:
        """Write it to a file."""
        srsly.write_json(path, self._asdict())

    @classmethod
    def from_disk(cls, path: Path) -> "TrainingJob":
        """Read it from a file."""
        return cls(**srsly.read_json(path))


class AnnotatedItems(NamedTuple):
    """What was annotated in a tool.

    Attributes:
        docs: A doc for each item.
        problems: What the docs can't hold.
        is_annotated: Tells whether entities of a label are annotated in the docs. Those of other
            labels are what the pipeline finds.
    """

    docs: Iterable[Doc]
    problems: Iterable[Problem]
    is_annotated: Callable[[str], bool]


# Reads the files that the tool's `TrainingData` has written to a folder
ItemReader = Callable[[Language, Path], AnnotatedItems]


class Parts(NamedTuple):
    """Docs to train on, and docs to choose the model by."""

    train: list[Doc]
    dev: list[Doc]


def train_version(folder: Path, tool: Tool, read_items: ItemReader) -> None:
    """Train the version that FOLDER/training asks for, and write it to FOLDER/versions.

    Args:
        folder: The folder.
        tool: The tool that annotates.
        read_items: Reads what was annotated there.

    Raises:
        UserError: If nothing can be learned from the annotations, or the data that were named for
            the choice of the model say that the new version is worse.
    """
    work = folder / TRAINING
    job = TrainingJob.from_disk(work / JOB)
    import_code(job.code)
    nlp = load_pipeline(job.start)
    recognizer_of(nlp, job.start, job.component)
    docs = _annotated_docs(nlp, read_items(nlp, work), tool, work)
    check_annotated(docs, tool.name)
    parts = _parts(nlp, docs, job, tool)
    print(f"{len(parts.train):,} docs to learn from, {len(parts.dev):,} to choose by", flush=True)
    before = _f(nlp, parts.dev, job.component)
    trained = _trained(job, parts, work)
    after = _f(trained, parts.dev, job.component)
    print(f"F {before:.1f} -> {after:.1f}", flush=True)
    if job.dev is not None and after < before:
        raise UserError(
            f"The new version is worse on {job.dev} (F {before:.1f} -> {after:.1f}), so the old "
            f"one stays. Look for label errors, or give data that it was trained on (--old-data)."
        )
    about = {
        "version": job.number,
        "changes": job.n_changes,
        f"{tool.item}s": job.n_items,
        "f_before": before,
        "f": after,
        "dev": job.dev or "what was held out",
    }
    trained.meta[tool.key] = about
    trained.meta["version"] = version_after(str(nlp.meta.get("version")), job.number)
    replace_pipeline(trained, version_folder(folder, job.number))


def _parts(nlp: Language, docs: Sequence[Doc], job: TrainingJob, tool: Tool) -> Parts:
    old = [] if job.old_data is None else read_annotated(job.old_data, nlp.vocab)
    if job.dev is not None:
        return Parts([*docs, *old], read_annotated(job.dev, nlp.vocab))
    dev = [*_held_out(docs, tool.item), *list(filter(_is_held_out, old))[:MOST_HELD_OUT]]
    chosen = {id(doc) for doc in dev}
    return Parts([doc for doc in (*docs, *old) if id(doc) not in chosen], dev)


def _held_out(docs: Sequence[Doc], item: str) -> list[Doc]:
    """Return about every tenth item, with an entity at least in one."""
    have = sorted((doc for doc in docs if doc.ents), key=_place)
    if len(have) < 2:
        raise UserError(f"Only one {item} has an entity: annotate some more.")
    dev = list(filter(_is_held_out, docs))
    n_entities = sum(bool(doc.ents) for doc in dev)
    return dev if 0 < n_entities < len(have) else have[:1]


def _is_held_out(doc: Doc) -> bool:
    return _place(doc) % HELD_OUT == 0


def _place(doc: Doc) -> int:
    """Return a number that a text has each time."""
    return crc32(doc.text.encode())


def _annotated_docs(nlp: Language, given: AnnotatedItems, tool: Tool, work: Path) -> list[Doc]:
    """Return docs of annotated items, with what the pipeline finds of labels not annotated."""
    docs = [doc for doc in given.docs if any(token.ent_iob for token in doc)]
    docs = read_docs(docs, nlp.vocab)
    dropped = [one for one in given.problems if one.kind != TWICE]  # which is learned once
    off_tokens = (problem for doc in docs for problem in _off_tokens(nlp, doc))
    _report([*dropped, *off_tokens], tool.item.capitalize(), work)
    found = {label for labels in labels_by_component(nlp).values() for label in labels}
    others = {label for label in found if not given.is_annotated(label)}
    if not others:
        return docs
    return [example.reference for example in complete_annotation(nlp, docs, others)]


def _off_tokens(nlp: Language, doc: Doc) -> Iterator[Problem]:
    """Yield entities that the pipeline's own tokenizer has no tokens for."""
    for ent in misaligned_entities(unannotated(nlp, doc), doc):
        message = f"{ent.text!r} ({ent.label_}) does not begin and end where the pipeline's do."
        where = (ent.start_char, ent.end_char)
        yield Problem(NOT_ON_TOKENS, "", data_of(doc).id, *where, message)


def _report(problems: Sequence[Problem], item: str, work: Path) -> None:
    """Say what is taken as not annotated: each in the log, and a summary for the service."""
    for problem in problems:
        print(f"{item} {problem.id}, {problem.start}-{problem.end}: {problem.message}")
    print(f"{len(problems):,} problems; what they touch is taken as not annotated", flush=True)
    items = dict.fromkeys(problem.id for problem in problems)
    kinds = Counter(problem.kind for problem in problems)
    srsly.write_json(work / DROPPED, {"items": list(items), "kinds": dict(kinds.most_common())})


def _trained(job: TrainingJob, parts: Parts, work: Path) -> Language:
    """Train a pipeline by spaCy's loop, with the settings that it was trained with before."""
    start = load_pipeline(job.start)
    ner = recognizer_of(start, job.start, job.component)
    labels = {ent.label_ for doc in parts.train for ent in doc.ents}
    for label in sorted(labels - set(ner.labels)):
        ner.add_label(label)
    # All weights learn alike where old data keep what they know
    factor, ner.resume_factor = ner.resume_factor, 1.0 if job.old_data else MOST_FACTOR
    start.to_disk(work / "start")
    corpora = {}
    for name, docs in parts._asdict().items():
        DocBin(docs=docs, store_user_data=False).to_disk(work / f"{name}.spacy")
        corpora[name] = work / f"{name}.spacy"
    config = _config(start, work / "start", corpora, job)
    with reported_errors("The pipeline can't be trained further"):
        train_pipeline(config, work / "model", on_evaluation=_print_progress)
    nlp = load_pipeline(best_model(work / "model"))
    recognizer_of(nlp, job.start, job.component).resume_factor = factor
    original = load_pipeline(job.start).config
    nlp.config = Config({**nlp.config, **{name: original[name] for name in OF_TRAINING}})
    nlp.meta.update({key: value for key, value in start.meta.items() if key not in nlp.meta})
    nlp.meta["name"] = start.meta["name"]
    forget_control(nlp, job.component)
    return nlp


def _config(nlp: Language, start: Path, corpora: dict[str, Path], job: TrainingJob) -> Config:
    """Return the config of a further training of one component; the others stay as they are."""
    config = nlp.config.copy()
    config["components"] = {name: {"source": str(start)} for name in nlp.component_names}
    config["corpora"] = {
        name: {
            "@readers": "spacy.Corpus.v1",
            "path": str(path),
            "gold_preproc": False,
            "max_length": 0,
            "limit": 0,
            "augmenter": None,
        }
        for name, path in corpora.items()
    }
    others = [name for name in nlp.pipe_names if name != job.component]
    before = nlp.pipe_names[: nlp.pipe_names.index(job.component)]
    config["training"].update(
        train_corpus="corpora.train",
        dev_corpus="corpora.dev",
        frozen_components=others,
        annotating_components=before,
        max_epochs=0,
        before_to_disk=None,
        before_update=None,
    )
    if job.max_steps is not None:
        _shorten(config["training"], job.max_steps)
    copy = {"@callbacks": "spacy.copy_from_base_model.v1"}
    config["initialize"] = {
        "vectors": None,
        "init_tok2vec": None,
        "vocab_data": None,
        "lookups": None,
        "before_init": {**copy, "tokenizer": str(start), "vocab": str(start)},
        "after_init": None,
        "tokenizer": {},
        "components": {},
    }
    return config


def _shorten(training: dict[str, Any], max_steps: int) -> None:
    training["max_steps"] = max_steps
    training["eval_frequency"] = max(1, max_steps // 20)
    training["patience"] = max(1, max_steps // 2)
    schedule = training["optimizer"].get("learn_rate")
    if isinstance(schedule, dict) and "total_steps" in schedule:
        schedule["total_steps"] = max_steps


def _f(nlp: Language, docs: Sequence[Doc], component: str) -> float:
    """Return F of a pipeline, from 0 to 100."""
    copies = [Doc(nlp.vocab).from_bytes(doc.to_bytes()) for doc in docs]
    examples = [Example(unannotated(nlp, doc), doc) for doc in copies]
    return 100 * (quality_of(nlp, examples, None).f or 0.0)


def _print_progress(info: dict[str, Any]) -> None:
    score = info.get("score")
    said = f"step {info['step']}" + (f": score {score:.3f}" if score is not None else "")
    print(said, flush=True)


def run_training(tool: Tool, read_items: ItemReader) -> None:
    """Do what the command line says. What can't be done is said in the last line.

    Args:
        tool: The tool that annotates.
        read_items: Reads what was annotated there.
    """
    folder, parent = Path(sys.argv[1]), int(sys.argv[2])
    end_with_parent(parent, lambda: os._exit(1))
    if hasattr(os, "nice"):
        os.nice(NICE)
    use_one_thread()
    try:
        train_version(folder, tool, read_items)
    except UserError as error:
        print(one_line(error), flush=True)
        sys.exit(1)
