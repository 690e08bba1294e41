"""Tasks of Label Studio: their texts, and what messages call them."""

from collections.abc import Sequence
from typing import Any

from ...common.errors import UserError
from ...data.formats.jsonl import text_of
from ..live_model.state import is_id


def texts_of_tasks(tasks: Sequence[dict[str, Any]], key: str) -> tuple[list[str | None], list[str]]:
    """Return the texts of tasks, None for those that have none, and what is wrong with these."""
    texts: list[str | None] = []
    problems = []
    for task in tasks:
        try:
            data = task.get("data")
            texts.append(text_of(data if isinstance(data, dict) else {}, key))
        except UserError:
            texts.append(None)
            problems.append(
                f"task {name_of_task(task)}: there is no text under {key!r} in its data"
            )
    return texts, problems


def name_of_task(task: dict[str, Any]) -> str:
    """Return what messages call a task."""
    return str(task.get("id")) if is_id(task.get("id")) else "without an id"
