"""Starts trainings when enough was annotated, and swaps their versions in."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple

import srsly
from spacy.language import Language
from spacy.vocab import Vocab

from ...common.errors import UserError, one_line
from ...common.pipelines import load_pipeline
from ...data.corpus import read_annotated
from ...inference.recognizers import recognizer_of
from ...inference.service import Service, name_and_version, set_thresholds
from .settings import LearningSettings, Tool
from .state import LearningState
from .training import DROPPED, JOB, LOG, TRAINING, TrainingJob
from .versions import PipelineVersion, version_folder

MOST_NAMED = 3  # in a message

_log = logging.getLogger("uvicorn.error")


class _KilledError(UserError):
    """A training that a signal has ended, as when all processes of a service are told to end."""

    def __init__(self, number: int, again: str) -> None:
        try:
            name = signal.Signals(number).name
        except ValueError:  # one that Python has no name for
            name = f"signal {number}"
        super().__init__(
            f"It was killed ({name}). Nothing is lost: it begins again with the next start of this "
            f"service, or {again}. After SIGKILL, see whether memory is short."
        )


class TrainingData(NamedTuple):
    """What a training is to learn from.

    Attributes:
        n_items: The number of annotated items: see `Tool`.
        files: Values to write as JSON for the training process, by the names of their files.
        left_out: What can't be learned from and why, in sentences.
    """

    n_items: int
    files: Mapping[str, Any]
    left_out: Sequence[str] = ()


class Trainer:
    """Trains versions in a process of their own, one after the other.

    Args:
        tool: The tool that annotates.
        service: The service that gets the new versions.
        folder: Where annotations and versions are kept.
        version: The version that the service has loaded.
        settings: How to learn.
        state: What was annotated.
        data: Returns what there is to learn from, for the pipeline that is served and the labels of
            the component to train.
        module: The module that is the training process: see `training.run_training`.
    """

    def __init__(
        self,
        tool: Tool,
        service: Service,
        folder: Path,
        version: PipelineVersion,
        settings: LearningSettings,
        state: LearningState,
        data: Callable[[Language, Collection[str]], TrainingData],
        module: str,
    ) -> None:
        self._tool, self._service, self._folder = tool, service, folder
        self._version, self._settings, self._state = version, settings, state
        self._data, self._module = data, module
        self._due = asyncio.Event()
        self._n_tried = 0  # changes before a training that was killed: not at once a second time
        self._is_asked = (folder / TRAINING / JOB).exists()  # was interrupted

    @property
    def is_training(self) -> bool:
        """Whether a training is running or about to begin."""
        return self._due.is_set()

    def ask(self) -> None:
        """Ask for a training, whatever there is to learn from.

        Raises:
            UserError: If the service does not train.
        """
        if not self._settings.train_after:
            raise UserError("This service does not train: start it with --train-after 20, say.")
        self._is_asked = True

    def running(self) -> AbstractAsyncContextManager[None]:
        """Train whenever there is enough to learn from, during a block."""
        return self._running()

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        self.look()
        trainings = asyncio.create_task(self._trainings())
        try:
            yield
        finally:
            trainings.cancel()
            with suppress(asyncio.CancelledError):
                await trainings

    def look(self) -> None:
        """See whether a training is due."""
        enough = self._settings.train_after
        n_new = min(self._state.n_new, self._state.n_changes - self._n_tried)
        if enough and (self._is_asked or n_new >= enough):
            self._due.set()

    async def _trainings(self) -> None:
        while True:
            await self._due.wait()
            self._is_asked = False
            try:
                await self._train()
            except (UserError, OSError) as error:
                _log.error("%s, training: %s", self._tool.name, one_line(error))
            except Exception:  # of ours: predictions go on
                _log.exception("%s, training failed", self._tool.name)
            # What came meanwhile made it due before what was learned was counted
            self._due.clear()
            self.look()

    async def _train(self) -> None:
        """Train a version and swap it in, or say why there is none."""
        n_changes = self._state.n_changes
        number = max(self._version.number, self._state.n_versions) + 1
        work = self._folder / TRAINING
        try:
            await asyncio.to_thread(self._prepare, work, number, n_changes)
            code = await _run(self._module, self._folder, work / LOG)
            self._warn(_not_learned(work, self._tool.item))
            if code < 0:
                raise _KilledError(-code, self._tool.again)
            if code != 0:
                raise UserError(f"{_last_line(work / LOG)} ({work / LOG})")
            version = PipelineVersion(number, version_folder(self._folder, number))
            nlp = await asyncio.to_thread(self._loaded, version.folder)
            self._service.replace_pipeline(nlp)
            self._version = version
            about = nlp.meta.get(self._tool.key, {})
            _log.info(
                "%s: %s is in use, F %.1f -> %.1f on %s",
                self._tool.name,
                name_and_version(self._service.nlp),
                about.get("f_before", 0.0),
                about.get("f", 0.0),
                about.get("dev"),
            )
        except (asyncio.CancelledError, _KilledError):
            # The job stays, and nothing counts as learned: it begins again with the next start
            self._n_tried = n_changes
            raise
        except BaseException:
            self._end(work, n_changes)
            raise
        self._end(work, n_changes)

    def _end(self, work: Path, n_changes: int) -> None:
        (work / JOB).unlink(missing_ok=True)
        self._state.set_trained(n_changes, self._version.number)

    def _prepare(self, work: Path, number: int, n_changes: int) -> None:
        """Write what a training needs. The job itself comes last: it says that one has begun."""
        settings, nlp = self._settings, self._service.nlp
        ner = recognizer_of(nlp, name_and_version(nlp), settings.component)
        data = self._data(nlp, ner.labels)
        self._warn(*data.left_out)
        if not data.n_items:
            raise UserError("There is no annotation to learn from yet.")
        rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        for name, value in data.files.items():
            srsly.write_json(work / name, value)
        job = TrainingJob(
            str(self._version.folder),
            number,
            n_changes,
            data.n_items,
            settings.component,
            settings.old_data,
            settings.dev,
            settings.max_steps,
            settings.code,
        )
        job.to_disk(work / JOB)
        tool = self._tool
        _log.info("%s: training version %d on %d %ss", tool.name, number, data.n_items, tool.item)

    def _warn(self, *lines: str) -> None:
        for line in filter(None, lines):
            _log.warning("%s, training: %s", self._tool.name, line)

    def _loaded(self, folder: Path) -> Language:
        nlp = load_pipeline(folder)
        set_thresholds(nlp, str(folder), self._settings.threshold)
        return nlp


async def _run(module: str, folder: Path, log: Path) -> int:
    """Run a training to its end; it is ended with this task."""
    command = [sys.executable, "-m", module, str(folder), str(os.getpid())]
    with log.open("wb") as printed:
        process = await asyncio.create_subprocess_exec(*command, stdout=printed, stderr=printed)
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "It printed nothing.")


def _not_learned(work: Path, item: str) -> str:
    """Say of which items a training could not learn all that is marked."""
    if not (work / DROPPED).exists():  # it did not come so far
        return ""
    dropped = srsly.read_json(work / DROPPED)
    if not dropped["items"]:
        return ""
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in dropped["kinds"].items())
    return (
        f"{named(item, dropped['items'])}: not all that is marked can be learned ({kinds}). "
        f"{work / LOG} says where."
    )


def named(item: str, ids: Sequence[str]) -> str:
    """Name a few items, and say how many others there are: "Tasks 1, 2, 3 and 4 more".

    Args:
        item: What they are: "task".
        ids: Their ids.
    """
    more = f" and {len(ids) - MOST_NAMED:,} more" if len(ids) > MOST_NAMED else ""
    return f"{item.capitalize()}{'s' * (len(ids) > 1)} {', '.join(ids[:MOST_NAMED])}{more}"


def check_can_learn(nlp: Language, name: str, settings: LearningSettings) -> None:
    """Check that a pipeline can be trained, so that nobody waits for the first training to know.

    Args:
        nlp: The pipeline.
        name: What messages call it.
        settings: How it is to learn.

    Raises:
        UserError: If it has no such component, or data can't be read.
    """
    if settings.train_after:
        recognizer_of(nlp, name, settings.component)
    for path in filter(None, (settings.old_data, settings.dev)):
        _check_data(path, nlp)


def _check_data(path: str, nlp: Language) -> None:
    for doc in read_annotated(path, Vocab()):
        if len(doc.text) > nlp.max_length and not doc.has_unknown_spaces:
            raise UserError(
                f"{path} has a text of {len(doc.text):,} characters, and this pipeline takes "
                f"{nlp.max_length:,} at most: cut it into several docs. It begins with: "
                f"{doc.text[:50]!r}"
            )
