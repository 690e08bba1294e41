"""Label Studio's ML backend protocol, on the HTTP service.

Label Studio asks `/setup` for the version of the model, and `/predict` for predictions of tasks.
It tells `/webhook` what was annotated; enough of that starts a training.
"""

import asyncio
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple

import srsly
from fastapi import FastAPI
from spacy.language import Language
from spacy.vocab import Vocab
from starlette.datastructures import Headers
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...common.errors import UserError, one_line
from ...common.pipelines import load_pipeline
from ...data.corpus import read_annotated
from ...data.formats.jsonl import parsed_json, text_of
from ...inference.annotator import AnnotatedText, FailedText, RequestSettings
from ...inference.recognizers import (
    components_with_crf,
    recognizer_of,
    require_crf,
    why_no_k_best,
)
from ...inference.service import (
    Extension,
    Refused,
    Request,
    Service,
    name_and_version,
    set_thresholds,
)
from ...workflows.select import LEAST_DOUBTFUL
from . import training
from .annotations import AnnotationStore, checked_annotation, is_id, tasks_of_control
from .label_config import LabelConfig, read_label_config
from .predictions import prediction_of
from .training import TrainingJob
from .versions import ABOUT, PipelineVersion, version_folder

# Label Studio sends all tasks that were selected at once, with all that it knows of them
BODIES = 16  # as many times the bytes of other requests
MOST_TEXTS = 32  # that wait for their turn together, so that others get theirs
CREATED = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED")
ANNOTATIONS_DELETED, TASKS_DELETED = "ANNOTATIONS_DELETED", "TASKS_DELETED"
START_TRAINING, PROJECT_UPDATED = "START_TRAINING", "PROJECT_UPDATED"
MOST_NAMED = 3  # problems that an answer names

_log = logging.getLogger("uvicorn.error")
_Found = AnnotatedText | str  # or why there is nothing


class BackendSettings(NamedTuple):
    """How a model for Label Studio predicts and learns.

    Attributes:
        train_after: Changes of annotations that start a training; 0 for none.
        candidates: The least probability of candidates; None shows none.
        candidates_control: Name of the `<Labels>` for candidates.
        unfinished: The choice that marks an annotation as not finished, if there is one.
        component: Name of the component to train.
        old_data: Annotated data (.spacy) to learn from as well.
        dev: Annotated data (.spacy) to choose the model by.
        max_steps: The most steps of a training; None for as many as the pipeline was trained with.
        threshold: In place of the components' own, if given.
        code: Python file with functions that the pipeline needs.
    """

    train_after: int = 20
    candidates: float | None = None
    candidates_control: str = "candidates"
    unfinished: str | None = None
    component: str = "ner"
    old_data: str | None = None
    dev: str | None = None
    max_steps: int | None = None
    threshold: float | None = None
    code: str | None = None


class _HostLog:
    """Middleware that logs requests which `TrustedHostMiddleware` refuses before a route does.

    Args:
        app: The app, with that middleware.
        paths: Paths that Label Studio calls.
    """

    def __init__(self, app: ASGIApp, paths: Collection[str]) -> None:
        self._app, self._paths = app, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and look at the status of its response."""

        async def noted(message: Message) -> None:
            is_start = message["type"] == "http.response.start"
            # A request that came to a route has got an endpoint
            if is_start and message["status"] == 400 and "endpoint" not in scope:
                host = Headers(scope=scope).get("host", "").partition(":")[0]
                _log.warning(
                    "Label Studio, %s: Invalid host header: %.100r. If it is a name of this "
                    "service, start it with --allowed-host.",
                    scope["path"],
                    host,
                )
            await send(message)

        is_ours = scope["type"] == "http" and scope["path"] in self._paths
        await self._app(scope, receive, noted if is_ours else send)


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


class Backend:
    """Answers Label Studio, and trains.

    Args:
        service: The service that finds the entities.
        folder: Where annotations and versions are kept.
        version: The version that the service has loaded.
        settings: How to predict and learn.
    """

    def __init__(
        self, service: Service, folder: Path, version: PipelineVersion, settings: BackendSettings
    ) -> None:
        self._service, self._folder, self._settings = service, folder, settings
        self._version = version
        self._store = AnnotationStore(folder)
        self._due = asyncio.Event()
        self._n_tried = 0  # changes before a training that was killed: not at once a second time
        self._is_asked = (folder / training.TRAINING / training.JOB).exists()  # was interrupted

    @property
    def model_version(self) -> str:
        """The version of the model, as Label Studio shows it."""
        return name_and_version(self._service.nlp)

    def add_to(self, app: FastAPI) -> None:
        """Add the routes to an app."""
        answers = {"setup": self._setup, "predict": self._predict, "webhook": self._webhook}
        for name, answer in answers.items():
            app.add_api_route(
                f"/{name}", self._route(name, answer), methods=["POST"], include_in_schema=False
            )
        # Label Studio asks for the first before all others
        app.add_middleware(_HostLog, paths=["/health", *(f"/{name}" for name in answers)])

    def _route(self, name: str, answer: Any) -> Any:
        async def answered(request: HttpRequest) -> Response:
            try:
                most = BODIES * self._service.limits.bytes
                body = await self._service.read.body(request, most)
                given = await asyncio.to_thread(_parsed, body)
                return await answer(given, request)
            except UserError as error:
                _log.warning("Label Studio, /%s: %s", name, one_line(error))
                raise Refused(422, str(error)) from error
            except Refused as refused:
                _log.warning("Label Studio, /%s: %s", name, one_line(refused))
                raise

        async def route(request: HttpRequest) -> Response:
            return await self._service.respond(request, answered)

        return route

    # Requests

    async def _setup(self, given: dict[str, Any], _: HttpRequest) -> Response:
        self._config(_project_of(given), given.get("schema"), note=True, shown=True)
        return JSONResponse({"model_version": self.model_version})

    async def _predict(self, given: dict[str, Any], request: HttpRequest) -> Response:
        config = self._config(_project_of(given), given.get("label_config"), shown=True)
        tasks = given.get("tasks")
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            raise UserError("tasks: there is no list of tasks.")
        texts, problems = _texts(tasks, config.key)
        if tasks and not any(text is not None for text in texts):
            raise UserError(_said(problems))
        self._catch_up(tasks, texts)
        version = ""
        while version != self.model_version:  # a new one may be swapped in meanwhile
            version = self.model_version
            there = [text for text in texts if text is not None]
            found = iter(await self._found(there, request))
            every = [None if text is None else next(found) for text in texts]
        left_out: Counter = Counter()
        results: list[Any] = []
        for task, text, one in zip(tasks, texts, every):
            if isinstance(one, str):
                problems.append(f"task {_id_of(task)}: {one}")
            if text is None or one is None or isinstance(one, str):
                results.append([])  # no prediction, which is not the same as one of no entity
            else:
                shown = self._settings.candidates
                results.append(prediction_of(one, config, version, shown, left_out))
        for line in (_said(problems), _unknown(left_out)):
            if line:
                _log.warning("Label Studio, /predict: %s", line)
        answer = {"results": results, "problems": problems, "left_out": dict(left_out)}
        return JSONResponse(answer)

    async def _webhook(self, given: dict[str, Any], _: HttpRequest) -> Response:
        action, project = given.get("action"), given.get("project")
        known = (*CREATED, ANNOTATIONS_DELETED, TASKS_DELETED, START_TRAINING, PROJECT_UPDATED)
        if action not in known:
            return JSONResponse({"status": "ignored"})
        if not isinstance(project, dict):
            raise UserError(f"{action} came without its project: let the webhook send its payload.")
        self._config(_project_of_webhook(project), project.get("label_config"), note=True)
        if action in CREATED:
            self._add(given)
        elif action == ANNOTATIONS_DELETED:
            self._store.delete(_ids(given, "annotations"))
        elif action == TASKS_DELETED:
            self._store.delete_tasks(_ids(given, "tasks"))
        elif action == START_TRAINING:
            if not self._settings.train_after:
                raise UserError("This service does not train: start it with --train-after 20, say.")
            self._is_asked = True
        self._look()
        return JSONResponse({"status": "ok", "model_version": self.model_version})

    def _catch_up(self, tasks: Sequence[dict[str, Any]], texts: Sequence[str | None]) -> None:
        """Keep annotations that come with tasks to predict, which no webhook may have told of.

        Label Studio tells once of each, and not of those that were there before.
        """
        for task, text in zip(tasks, texts):
            annotations = task.get("annotations")
            if text is None or not is_id(task.get("id")) or not isinstance(annotations, list):
                continue
            for annotation in annotations:
                with suppress(UserError):  # what is damaged there says nothing of the prediction
                    self._store.add(task["id"], task["data"], checked_annotation(annotation))
        self._look()

    def _add(self, given: dict[str, Any]) -> None:
        annotations, tasks = given.get("annotation"), given.get("task")
        missing = [name for name in ("annotation", "task") if given.get(name) is None]
        if missing:
            raise UserError(
                f"{given['action']} came without its {' and '.join(missing)}: let the webhook send "
                f"its payload."
            )
        pairs = [(annotations, tasks)]
        if isinstance(annotations, list) and isinstance(tasks, list):
            by_id = {task.get("id"): task for task in tasks if isinstance(task, dict)}
            pairs = [(one, by_id.get(checked_annotation(one).get("task"))) for one in annotations]
        # All are checked before any is kept
        key = self._noted_config().key
        checked = [(_checked_task(task, key), checked_annotation(one)) for one, task in pairs]
        for task, annotation in checked:
            self._store.add(task["id"], task["data"], annotation)

    # Projects

    def _config(
        self, project: str, xml: Any, *, note: bool = False, shown: bool = False
    ) -> LabelConfig:
        """Return the label config of a project.

        Args:
            project: The project.
            xml: The label config that came with a request.
            note: Whether to keep it, for trainings.
            shown: Whether predictions are to be shown with it. What is annotated can be kept
                without a control for candidates.

        Raises:
            Refused: If it is another project than the one that this service belongs to.
            UserError: If it has no label config that can be used.
        """
        known = self._store.project
        if known is not None and project != known:
            raise Refused(
                404,
                f"Project {project} is unknown: this service belongs to project {known}. Start "
                f"another service for it, with a folder of its own.",
            )
        if not isinstance(xml, str):
            raise UserError(f"Project {project} came without a label config.")
        config = self._read_config(xml)
        if shown and self._settings.candidates is not None and config.candidates is None:
            raise UserError(
                f"The label config has no <Labels> of the name "
                f"{self._settings.candidates_control!r} beside that of entities, which is wanted "
                f"for candidates. Add one with the same labels, or leave out --candidates."
            )
        if note or known is None:
            self._store.set_project(project, xml)
        return config

    def _noted_config(self) -> LabelConfig:
        return self._read_config(self._store.label_config or "")

    def _read_config(self, xml: str) -> LabelConfig:
        return read_label_config(xml, self._settings.candidates_control)

    # Predictions

    async def _found(self, texts: Sequence[str], request: HttpRequest) -> list[_Found]:
        """Return what is found in texts, in as many requests to the annotator as that takes."""
        nlp = self._service.nlp
        if not components_with_crf(nlp):
            settings = RequestSettings()
        elif why_no_k_best(nlp) is None:
            settings = RequestSettings(candidates=self._settings.candidates, k_best=1)
        else:
            settings = RequestSettings(candidates=LEAST_DOUBTFUL)
        found: list[_Found] = []
        batch: list[str] = []
        most = self._service.limits.characters
        for text in texts:
            if batch and (len(batch) == MOST_TEXTS or sum(map(len, batch)) + len(text) > most):
                found += await self._found_together(batch, settings, request)
                batch = []
            batch.append(text)
        return found + await self._found_together(batch, settings, request)

    async def _found_together(
        self, texts: Sequence[str], settings: RequestSettings, request: HttpRequest
    ) -> list[_Found]:
        if not texts:
            return []
        most = self._service.limits.characters
        try:
            if sum(map(len, texts)) > most:
                raise Refused(413, f"The text has more than {most:,} characters.")
            answer = await self._service.answer(Request(tuple(texts), settings), request)
            if not isinstance(answer, FailedText):
                return list(answer)
            reason = f"the pipeline failed on the text: {answer.kind}"
        except Refused as refused:
            if refused.status != 413:
                raise
            reason = refused.detail
        if len(texts) == 1:
            return [reason]
        halves = texts[: len(texts) // 2], texts[len(texts) // 2 :]
        return [
            one for half in halves for one in await self._found_together(half, settings, request)
        ]

    # Training

    def running(self) -> AbstractAsyncContextManager[None]:
        """Train whenever there is enough to learn from, during a block."""
        return self._running()

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        self._look()
        trainings = asyncio.create_task(self._trainings())
        try:
            yield
        finally:
            trainings.cancel()
            with suppress(asyncio.CancelledError):
                await trainings

    def _look(self) -> None:
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
            self._look()

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
                self.model_version,
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
        settings, config = self._settings, self._noted_config()
        ner = recognizer_of(self._service.nlp, self.model_version, settings.component)
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


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        given = parsed_json(body.decode("utf8"))
    except (UnicodeDecodeError, UserError) as error:
        raise Refused(400, f"Send JSON in UTF-8. {one_line(error)}") from error
    if not isinstance(given, dict):
        raise Refused(422, "Send a JSON object.")
    return given


def _project_of(given: dict[str, Any]) -> str:
    """Return the project of a request: its id and the second of its making."""
    project = given.get("project")
    if not isinstance(project, str) or not project:
        raise UserError("project: there is none.")
    return project[:50]


def _project_of_webhook(project: dict[str, Any]) -> str:
    if not is_id(project.get("id")):
        raise UserError("The project of the webhook has no id.")
    try:
        date = datetime.fromisoformat(str(project.get("created_at")).replace("Z", "+00:00"))
        made = int(date.timestamp())
    except (ValueError, OverflowError, OSError) as error:  # years that are none, or before 1970
        raise UserError(
            f"The project of the webhook has no date of its making, but created_at: "
            f"{project.get('created_at')!r:.50}."
        ) from error
    return f"{project.get('id')}.{made}"[:50]


def _texts(tasks: Sequence[dict[str, Any]], key: str) -> tuple[list[str | None], list[str]]:
    """Return the texts of tasks, None for those that have none, and what is wrong with these."""
    texts: list[str | None] = []
    problems = []
    for task in tasks:
        try:
            data = task.get("data")
            texts.append(text_of(data if isinstance(data, dict) else {}, key))
        except UserError:
            texts.append(None)
            problems.append(f"task {_id_of(task)}: there is no text under {key!r} in its data")
    return texts, problems


def _learnable(
    tasks: Sequence[dict[str, Any]], key: str, most: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return tasks that can be learned from, and why others can't, in sentences."""
    texts, _ = _texts(tasks, key)
    lengths = [None if text is None else len(text) for text in texts]
    usable = [task for task, n in zip(tasks, lengths) if n is not None and n <= most]
    without = [_id_of(task) for task, n in zip(tasks, lengths) if n is None]
    too_long = [_id_of(task) for task, n in zip(tasks, lengths) if n is not None and n > most]
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


def _checked_task(task: Any, key: str) -> dict[str, Any]:
    """Check the task of an annotation.

    Raises:
        UserError: If it has no id or no text.
    """
    if not isinstance(task, dict) or not is_id(task.get("id")):
        raise UserError("The annotation came without its task: let the webhook send its payload.")
    _, problems = _texts([task], key)
    if problems:
        raise UserError(_said(problems))
    return task


def _id_of(task: dict[str, Any]) -> str:
    return str(task.get("id")) if is_id(task.get("id")) else "without an id"


def _ids(given: dict[str, Any], key: str) -> list[int]:
    found = given.get(key)
    if not isinstance(found, list):
        raise UserError(f"{key}: there is no list of them: let the webhook send its payload.")
    return [one["id"] for one in found if isinstance(one, dict) and is_id(one.get("id"))]


def _said(problems: Sequence[str]) -> str:
    more = len(problems) - MOST_NAMED
    named = [problem.rstrip(".") for problem in problems[:MOST_NAMED]]
    line = "; ".join(named) + (f"; and {more:,} more" if more > 0 else "")
    return f"{line[:1].upper()}{line[1:]}." if line else ""


def _unknown(left_out: Counter) -> str:
    if not left_out:
        return ""
    named = ", ".join(f"{label} ({n:,})" for label, n in left_out.most_common(MOST_NAMED))
    return (
        f"Entities of labels that the project does not have are left out: {named}. Add the labels, "
        f"or name them with predicted_values."
    )


def _check_data(path: str, nlp: Language) -> None:
    """Check data that trainings are to read, so that nobody waits for the first one to know."""
    for doc in read_annotated(path, Vocab()):
        if len(doc.text) > nlp.max_length and not doc.has_unknown_spaces:
            raise UserError(
                f"{path} has a text of {len(doc.text):,} characters, and this pipeline takes "
                f"{nlp.max_length:,} at most: cut it into several docs. It begins with: "
                f"{doc.text[:50]!r}"
            )


def extension_of(folder: Path, version: PipelineVersion, settings: BackendSettings) -> Extension:
    """Return what adds the routes of a model for Label Studio to an app.

    It raises a `UserError` if the pipeline can't do what the settings ask for.

    Args:
        folder: Where annotations and versions are kept.
        version: The version that the app serves.
        settings: How to predict and learn.
    """

    def extend(app: FastAPI, service: Service) -> AbstractAsyncContextManager[None]:
        if settings.train_after:
            recognizer_of(service.nlp, str(version.folder), settings.component)
        if settings.candidates is not None:
            require_crf(service.nlp, str(version.folder), "candidates")
        for path in filter(None, (settings.old_data, settings.dev)):
            _check_data(path, service.nlp)
        backend = Backend(service, folder, version, settings)
        backend.add_to(app)
        return backend.running()

    return extend
