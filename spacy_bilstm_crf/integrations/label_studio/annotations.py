"""What was annotated, on disk: a file for each task, in the JSON of Label Studio's own export."""

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...common.errors import UserError
from ...common.files import remove, reported_os_errors
from ..live_model.state import ANNOTATIONS, LABEL_CONFIG_KEY, PROJECT, LearningState, is_id
from .label_config import LabelConfig

# Of an annotation: what training and later versions of it need
KEPT = ("id", "result", "was_cancelled", "ground_truth", "completed_by", "created_at", "updated_at")


class AnnotationStore(LearningState):
    """Annotations of one project.

    Args:
        folder: Where they are kept. It must exist.

    Attributes:
        project: The project's id, and when it was made: "3.1796046007". None before it is known.
        label_config: Its label config, as XML.
        n_changes: How often an annotation was added, changed or deleted.

    Raises:
        UserError: If a file can't be read.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        project = self._read_project(LABEL_CONFIG_KEY, _check_project)
        self._tasks = {task["id"]: task for task in self._read_annotations(_check_task)}
        self.project: str | None = project.get("project")
        self.label_config: str | None = project.get("label_config")
        self._task_of = {
            annotation["id"]: task_id
            for task_id, task in self._tasks.items()
            for annotation in task["annotations"]
        }

    def tasks(self) -> list[dict[str, Any]]:
        """Return all tasks with their annotations. They are never changed, but replaced."""
        return list(self._tasks.values())

    def set_project(self, project: str, label_config: str) -> None:
        """Note which project this is, and its label config."""
        if (project, label_config) != (self.project, self.label_config):
            self.project, self.label_config = project, label_config
            self._write(PROJECT, {"project": project, "label_config": label_config})

    def add(self, task_id: int, data: dict[str, Any], annotation: dict[str, Any]) -> None:
        """Keep an annotation in place of an older state of it.

        Args:
            task_id: The task.
            data: Its data.
            annotation: The annotation, with an `id` and a `result`.
        """
        given = {key: annotation[key] for key in KEPT if key in annotation}
        known = self._tasks.get(task_id, {"data": data, "annotations": []})
        before = known["annotations"]
        others = [one for one in before if one["id"] != given["id"]]
        same: dict[str, Any] = next((one for one in before if one["id"] == given["id"]), {})
        if str(same.get("updated_at", "")) > str(given.get("updated_at", "")):
            return  # it came late
        if same == given:  # it came twice, but the task may have other data by now
            if known["data"] != data:
                self._put({**known, "data": data})
            return
        self._put({"id": task_id, "data": data, "annotations": [*others, given]})
        self._task_of[given["id"]] = task_id
        self._count()

    def delete(self, annotation_ids: Collection[int]) -> None:
        """Forget annotations. Those that nobody knows are no error."""
        for annotation_id in annotation_ids:
            task_id = self._task_of.pop(annotation_id, None)
            if task_id is None:
                continue
            task = self._tasks[task_id]
            left = [one for one in task["annotations"] if one["id"] != annotation_id]
            if left:
                self._put({**task, "annotations": left})
            else:
                self._remove(task_id)
            self._count()

    def delete_tasks(self, task_ids: Collection[int]) -> None:
        """Forget tasks and their annotations. Those that nobody knows are no error."""
        for task_id in task_ids:
            if task_id in self._tasks:
                self.delete([one["id"] for one in self._tasks[task_id]["annotations"]])

    def _put(self, task: dict[str, Any]) -> None:
        self._write(f"{ANNOTATIONS}/{task['id']}.json", task)
        self._tasks[task["id"]] = task

    def _remove(self, task_id: int) -> None:
        with reported_os_errors(self._folder):
            remove(self._folder / ANNOTATIONS / f"{task_id}.json")
        del self._tasks[task_id]


def _check_task(value: dict[str, Any]) -> None:
    _ = value["data"], [one["id"] for one in value["annotations"]], int(value["id"])


def _check_project(value: dict[str, Any]) -> None:
    _ = value["project"] + value["label_config"]


def tasks_of_control(
    tasks: Collection[dict[str, Any]],
    config: LabelConfig,
    known: Collection[str],
    unfinished: str | None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Reduce tasks to what their annotations say of entities.

    Of several annotations by one person, the last counts. An annotation that has only regions of
    other controls says nothing of entities, and is left out.

    Args:
        tasks: The tasks with their annotations.
        config: The label config.
        known: The labels of the pipeline, whose names the regions get.
        unfinished: The choice that marks an annotation as not finished, if there is one.

    Returns:
        The tasks that are completely annotated, and those of which an annotation is not finished.
    """
    complete: list[dict[str, Any]] = []
    partly: list[dict[str, Any]] = []
    for task in tasks:
        last: dict[Any, dict[str, Any]] = {}
        for one in sorted(task["annotations"], key=lambda one: str(one.get("updated_at", ""))):
            last[repr(one.get("completed_by"))] = one
        annotations = list(filter(None, map(partial(_of_control, config, known), last.values())))
        is_part = any(_is_chosen(unfinished, one["result"]) for one in last.values())
        if annotations:
            (partly if is_part else complete).append({**task, "annotations": annotations})
    return complete, partly


def _of_control(
    config: LabelConfig, known: Collection[str], annotation: dict[str, Any]
) -> dict[str, Any] | None:
    shown = [one for one in annotation["result"] if one.get("from_name") != config.candidates]
    regions = list(_regions_of(config, known, shown))
    says_nothing = shown and not regions
    return None if says_nothing else {**annotation, "result": regions}


def _regions_of(
    config: LabelConfig, known: Collection[str], result: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    for region in result:
        value = region.get("value")
        is_ours = (region.get("from_name"), region.get("type")) == (config.control, "labels")
        if not is_ours or not isinstance(value, dict):
            continue
        labels = value.get("labels")
        if isinstance(labels, list):
            named = [config.label_in_pipeline(x, known) for x in labels if isinstance(x, str)]
            value = {**value, "labels": named}
        # By the name of the text's key, readers of the export know the regions of a text
        yield {**region, "value": value, "to_name": config.key}


def _is_chosen(choice: str | None, result: list[dict[str, Any]]) -> bool:
    if choice is None:
        return False
    values = [region.get("value") for region in result if region.get("type") == "choices"]
    return any(
        choice in (value.get("choices") or ()) for value in values if isinstance(value, dict)
    )


def checked_annotation(annotation: Any) -> dict[str, Any]:
    """Check what a webhook says of an annotation.

    Raises:
        UserError: If it has no id, or a result that is no list of objects.
    """
    if not isinstance(annotation, dict) or not is_id(annotation.get("id")):
        raise UserError("The annotation has no id: let the webhook send its payload.")
    result = annotation.get("result")
    if not isinstance(result, list) or not all(isinstance(one, dict) for one in result):
        raise UserError(f"The result of annotation {annotation['id']} is no list of regions.")
    return annotation
