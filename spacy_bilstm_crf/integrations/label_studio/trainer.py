"""Starts trainings when enough was annotated, and swaps their versions in."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

import srsly
from spacy.language import Language

from ...common.errors import UserError, one_line
from ...common.pipelines import load_pipeline
from ...inference.recognizers import recognizer_of
from ...inference.service import Service, name_and_version, set_thresholds
from . import training
from .annotations import AnnotationStore, tasks_of_control
from .label_config import LabelConfig
from .settings import BackendSettings
from .tasks import MOST_NAMED, name_of_task, texts_of_tasks
from .training import TrainingJob
from .versions import ABOUT, PipelineVersion, version_folder

_log = logging.getLogger("uvicorn.error")


class _KilledError(UserError):
    """A training that a signal has ended, as when all processes of a service are told to end."""

    def __init__(self, number: int) -> None:
        try:
            name = signal.Signals(number).name
        except ValueError:  # one that Python has no name for
            name = f"signal {number}"
        super().__init__(
            f"It was killed ({name}). Nothing is lost: it begins again with the next start of this "
            f'service, or with "Start Training". After SIGKILL, see whether memory is short.'
        )


class Trainer:
    """Trains versions in a process of their own, one after the other.

    Args:
        service: The service that gets the new versions.
        folder: Where annotations and versions are kept.
        version: The version that the service has loaded.
        settings: How to learn.
        store: The annotations.
        config: Returns the label config of the project.
    """

    def __init__(
        self,
        service: Service,
        folder: Path,
        version: PipelineVersion,
        settings: BackendSettings,
        store: AnnotationStore,
        config: Callable[[], LabelConfig],
    ) -> None:
        self._service, self._folder, self._settings = service, folder, settings
        self._version, self._store, self._config = version, store, config
        self._due = asyncio.Event()
        self._n_tried = 0  # changes before a training that was killed: not at once a second time
        self._is_asked = (folder / training.TRAINING / training.JOB).exists()  # was interrupted

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
        n_new = min(self._store.n_new, self._store.n_changes - self._n_tried)
        if enough and (self._is_asked or n_new >= enough):
            self._due.set()

    async def _trainings(self) -> None:
        while True:
            await self._due.wait()
            self._is_asked = False
            try:
                await self._train()
            except (UserError, OSError) as error:
                _log.error("Label Studio, training: %s", one_line(error))
            except Exception:  # of ours: predictions go on
                _log.exception("Label Studio, training failed")
            # What came meanwhile made it due before what was learned was counted
            self._due.clear()
            self.look()

    async def _train(self) -> None:
        """Train a version and swap it in, or say why there is none."""
        n_changes = self._store.n_changes
        number = max(self._version.number, self._store.n_versions) + 1
        work = self._folder / training.TRAINING
        try:
            await asyncio.to_thread(self._prepare, work, number, self._store.tasks(), n_changes)
            code = await _run(self._folder, work / training.LOG)
            self._warn(_not_learned(work))
            if code < 0:
                raise _KilledError(-code)
            if code != 0:
                raise UserError(f"{_last_line(work / training.LOG)} ({work / training.LOG})")
            version = PipelineVersion(number, version_folder(self._folder, number))
            nlp = await asyncio.to_thread(self._loaded, version.folder)
            self._service.replace_pipeline(nlp)
            self._version = version
            about = nlp.meta.get(ABOUT, {})
            _log.info(
                "Label Studio: %s is in use, F %.1f -> %.1f on %s",
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
        (work / training.JOB).unlink(missing_ok=True)
        self._store.set_trained(n_changes, self._version.number)

    def _prepare(
        self, work: Path, number: int, tasks: list[dict[str, Any]], n_changes: int
    ) -> None:
        """Write what a training needs. The job itself comes last: it says that one has begun."""
        settings, config = self._settings, self._config()
        ner = recognizer_of(
            self._service.nlp, name_and_version(self._service.nlp), settings.component
        )
        usable, left_out = _learnable(tasks, config.key, self._service.nlp.max_length)
        self._warn(*left_out)
        complete, partly = tasks_of_control(usable, config, ner.labels, settings.unfinished)
        if not complete and not partly:
            raise UserError("There is no annotation to learn from yet.")
        rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        srsly.write_json(work / training.COMPLETE, complete)
        srsly.write_json(work / training.PARTLY, partly)
        job = TrainingJob(
            str(self._version.folder),
            number,
            n_changes,
            len(complete) + len(partly),
            config,
            settings.component,
            settings.old_data,
            settings.dev,
            settings.max_steps,
            settings.code,
        )
        job.to_disk(work / training.JOB)
        _log.info("Label Studio: training version %d on %d tasks", number, job.n_tasks)

    @staticmethod
    def _warn(*lines: str) -> None:
        for line in filter(None, lines):
            _log.warning("Label Studio, training: %s", line)

    def _loaded(self, folder: Path) -> Language:
        nlp = load_pipeline(folder)
        set_thresholds(nlp, str(folder), self._settings.threshold)
        return nlp


async def _run(folder: Path, log: Path) -> int:
    """Run a training to its end; it is ended with this task."""
    command = [sys.executable, "-m", training.__name__, str(folder), str(os.getpid())]
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


def _learnable(
    tasks: Sequence[dict[str, Any]], key: str, most: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return tasks that can be learned from, and why others can't, in sentences."""
    texts, _ = texts_of_tasks(tasks, key)
    lengths = [None if text is None else len(text) for text in texts]
    usable = [task for task, n in zip(tasks, lengths) if n is not None and n <= most]
    without = [name_of_task(task) for task, n in zip(tasks, lengths) if n is None]
    too_long = [name_of_task(task) for task, n in zip(tasks, lengths) if n is not None and n > most]
    said = []
    if without:
        said.append(
            f"{_named(without)} left out: there is no text under {key!r} "
            f'in the data, which the project names. "Retrieve Predictions" brings newer data.'
        )
    if too_long:
        said.append(
            f"{_named(too_long)} left out: the text has more than "
            f"{most:,} characters, which the pipeline takes at most. Split it into several tasks."
        )
    return usable, said


def _not_learned(work: Path) -> str:
    """Say of which tasks a training could not learn all that is marked."""
    if not (work / training.DROPPED).exists():  # it did not come so far
        return ""
    dropped = srsly.read_json(work / training.DROPPED)
    if not dropped["tasks"]:
        return ""
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in dropped["kinds"].items())
    return (
        f"{_named(dropped['tasks'])}: not all that is marked can be learned ({kinds}). "
        f"{work / training.LOG} says where."
    )


def _named(ids: Sequence[str]) -> str:
    """Name a few tasks, and say how many others there are: "Tasks 1, 2, 3 and 4 more"."""
    more = f" and {len(ids) - MOST_NAMED:,} more" if len(ids) > MOST_NAMED else ""
    return f"Task{'s' * (len(ids) > 1)} {', '.join(ids[:MOST_NAMED])}{more}"
