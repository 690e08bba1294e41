"""Label Studio's ML backend protocol, on the HTTP service.

Label Studio asks `/setup` for the version of the model, and `/predict` for predictions of tasks, or
of what follows from regions that were just drawn.
It tells `/webhook` what was annotated; enough of that starts a training.
"""

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from spacy.language import Language
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from ...common.errors import UserError
from ...inference.annotated_text import AnnotatedText, FailedText
from ...inference.annotator import RequestSettings
from ...inference.corrections import TextCorrections, why_no_corrections
from ...inference.recognizers import (
    components_with_crf,
    require_crf,
    why_no_k_best,
)
from ...inference.service import (
    Extension,
    Refused,
    Request,
    Service,
    name_and_version,
)
from ...pipeline.corrections import CorrectionError
from ...workflows.select.doubt import LEAST_DOUBTFUL
from ..live_model.routes import add_routes
from ..live_model.state import is_id
from ..live_model.trainer import MOST_NAMED, Trainer, TrainingData, check_can_learn, named
from ..live_model.versions import PipelineVersion
from . import training
from .annotations import AnnotationStore, checked_annotation, tasks_of_control
from .interactive import drawn_corrections, drawn_regions, news
from .label_config import LabelConfig, read_label_config
from .predictions import prediction_of
from .settings import LABEL_STUDIO, BackendSettings
from .tasks import name_of_task, texts_of_tasks

MOST_TEXTS = 32  # that wait for their turn together, so that others get theirs
CREATED = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED")
ANNOTATIONS_DELETED, TASKS_DELETED = "ANNOTATIONS_DELETED", "TASKS_DELETED"
START_TRAINING, PROJECT_UPDATED = "START_TRAINING", "PROJECT_UPDATED"

_log = logging.getLogger("uvicorn.error")
_Found = AnnotatedText | str  # or why there is nothing


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
        self._service, self._settings = service, settings
        self._store = AnnotationStore(folder)
        self._trainer = Trainer(
            LABEL_STUDIO,
            service,
            folder,
            version,
            settings,
            self._store,
            self._training_data,
            training.__name__,
        )

    @property
    def model_version(self) -> str:
        """The version of the model, as Label Studio shows it."""
        return name_and_version(self._service.nlp)

    def add_to(self, app: FastAPI) -> None:
        """Add the routes to an app."""
        answers = {"setup": self._setup, "predict": self._predict, "webhook": self._webhook}
        # Label Studio asks for the first before all others
        add_routes(app, self._service, LABEL_STUDIO.name, answers, others=["/health"])

    # Requests

    async def _setup(self, given: dict[str, Any], _: HttpRequest) -> Response:
        self._config(_project_of(given), given.get("schema"), note=True, shown=True)
        return JSONResponse({"model_version": self.model_version})

    async def _predict(self, given: dict[str, Any], request: HttpRequest) -> Response:
        config = self._config(_project_of(given), given.get("label_config"), shown=True)
        tasks = given.get("tasks")
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            raise UserError("tasks: there is no list of tasks.")
        texts, problems = texts_of_tasks(tasks, config.key)
        if tasks and not any(text is not None for text in texts):
            raise UserError(_said(problems))
        self._catch_up(tasks, texts)
        drawn = drawn_regions(given)
        if drawn and len(texts) == 1 and texts[0] is not None:
            return await self._suggest(texts[0], drawn, config, request)
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
                problems.append(f"task {name_of_task(task)}: {one}")
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

    async def _suggest(
        self, text: str, drawn: list[dict[str, Any]], config: LabelConfig, request: HttpRequest
    ) -> Response:
        """Answer with the entities that come up now that some regions are known."""
        nlp = self._service.nlp
        why_not = why_no_corrections(nlp)
        if why_not is not None:
            raise UserError(f"Interactive pre-annotation is not possible: {why_not}. Turn it off.")
        labels = [label for component in components_with_crf(nlp) for label in component.labels]
        known = drawn_corrections(drawn, config, labels)
        settings = RequestSettings()
        version = ""
        while version != self.model_version:  # a new one may be swapped in meanwhile
            version = self.model_version
            (before,) = await self._found_together([text], settings, request)
            (after,) = await self._found_together([text], settings, request, known)
        if isinstance(before, str) or isinstance(after, str):
            raise UserError(before if isinstance(before, str) else str(after))
        new = prediction_of(news(before, after, known), config, version, None, Counter())
        return JSONResponse({"results": [new]})

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
            self._trainer.ask()
        self._trainer.look()
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
        self._trainer.look()

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

    def running(self) -> AbstractAsyncContextManager[None]:
        """Train whenever there is enough to learn from, during a block."""
        return self._trainer.running()

    def _training_data(self, nlp: Language, labels: Collection[str]) -> TrainingData:
        config = self._noted_config()
        usable, left_out = _learnable(self._store.tasks(), config.key, nlp.max_length)
        complete, partly = tasks_of_control(usable, config, labels, self._settings.unfinished)
        files = {
            training.COMPLETE: complete,
            training.PARTLY: partly,
            training.LABEL_CONFIG: config._asdict(),
        }
        return TrainingData(len(complete) + len(partly), files, left_out)

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
        self,
        texts: Sequence[str],
        settings: RequestSettings,
        request: HttpRequest,
        known: TextCorrections | None = None,
    ) -> list[_Found]:
        """Return what is found in texts, given what is known of spans of a single one."""
        if not texts:
            return []
        most = self._service.limits.characters
        try:
            if sum(map(len, texts)) > most:
                raise Refused(413, f"The text has more than {most:,} characters.")
            corrections = None if known is None else (known,)
            asked = Request(tuple(texts), settings, corrections)
            answer = await self._service.answer(asked, request)
            if not isinstance(answer, FailedText):
                return list(answer)
            reason = f"the pipeline failed on the text: {answer.kind}"
            if answer.kind == CorrectionError.__name__:
                reason = answer.message
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


def _checked_task(task: Any, key: str) -> dict[str, Any]:
    """Check the task of an annotation.

    Raises:
        UserError: If it has no id or no text.
    """
    if not isinstance(task, dict) or not is_id(task.get("id")):
        raise UserError("The annotation came without its task: let the webhook send its payload.")
    _, problems = texts_of_tasks([task], key)
    if problems:
        raise UserError(_said(problems))
    return task


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
            f"{named(LABEL_STUDIO.item, without)} left out: there is no text under {key!r} "
            f'in the data, which the project names. "Retrieve Predictions" brings newer data.'
        )
    if too_long:
        said.append(
            f"{named(LABEL_STUDIO.item, too_long)} left out: the text has more than "
            f"{most:,} characters, which the pipeline takes at most. Split it into several tasks."
        )
    return usable, said


def extension_of(folder: Path, version: PipelineVersion, settings: BackendSettings) -> Extension:
    """Return what adds the routes of a model for Label Studio to an app.

    It raises a `UserError` if the pipeline can't do what the settings ask for.

    Args:
        folder: Where annotations and versions are kept.
        version: The version that the app serves.
        settings: How to predict and learn.
    """

    def extend(app: FastAPI, service: Service) -> AbstractAsyncContextManager[None]:
        check_can_learn(service.nlp, str(version.folder), settings)
        if settings.candidates is not None:
            require_crf(service.nlp, str(version.folder), "candidates")
        backend = Backend(service, folder, version, settings)
        backend.add_to(app)
        return backend.running()

    return extend
