"""What is found in a text, as a prediction that Label Studio shows."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ...inference.annotated_text import AnnotatedText, EntityDict
from .label_config import LabelConfig


def prediction_of(
    found: AnnotatedText,
    config: LabelConfig,
    version: str,
    candidates: float | None,
    left_out: Counter,
) -> dict[str, Any]:
    """Make the prediction of a task.

    Args:
        found: What was found in its text. `k_best` or candidates from `LEAST_DOUBTFUL` up give it a
            score.
        config: The label config of the project.
        version: The version of the model.
        candidates: The least probability of candidates that are shown; None shows none.
        left_out: Gets the labels that the project does not have, and their entities.

    Returns:
        A prediction in Label Studio's JSON. A region's `score` is its probability.
    """
    regions = list(_regions(found.entities, config.control, config, left_out))
    if candidates is not None and config.candidates is not None:
        shown = [one for one in found.candidates or () if one["confidence"] >= candidates]
        regions += _regions(shown, config.candidates, config, Counter())
    score = task_score(found)
    prediction = {"model_version": version, "result": regions}
    return prediction if score is None else {**prediction, "score": score}


def task_score(found: AnnotatedText) -> float | None:
    """Return how sure the model is of a whole text, from 0 to 1.

    It is the probability of the best tag sequence: that of all entities together being right and
    none being missed, so that nothing is to be corrected. Label Studio's ordering by score, lowest
    first, then begins with the texts that most probably need a correction. Where there is no one
    sequence, as with entities that overlap, it is the probability of the decision that is least
    sure: that an entity is one, or that a candidate is none.

    Returns:
        The score; None if the pipeline has no probabilities.
    """
    if found.k_best:
        return found.k_best[0]["probability"]
    if found.candidates is None:
        return None
    chosen = {place_of(entity) for entity in found.entities}
    sure = [entity["confidence"] for entity in found.entities if entity["confidence"] is not None]
    sure += [1 - one["confidence"] for one in found.candidates if place_of(one) not in chosen]
    return min(sure, default=1.0)


def place_of(entity: EntityDict) -> tuple[int, int, str]:
    """Return where an entity is, and its label: what tells it from others."""
    return entity["start"], entity["end"], entity["label"]


def _regions(
    entities: Sequence[EntityDict],
    control: str,
    config: LabelConfig,
    left_out: Counter,
) -> Iterator[dict[str, Any]]:
    for number, entity in enumerate(entities):
        label = config.label_in_project(entity["label"])
        if label is None:
            left_out[entity["label"]] += 1
            continue
        region = {
            "id": f"{control}-{number}",
            "from_name": control,
            "to_name": config.text,
            "type": "labels",
            "value": {
                # In code points, as the editor of Label Studio 1.23 counts, and not in UTF-16 units
                "start": entity["start"],
                "end": entity["end"],
                "text": entity["text"],
                "labels": [label],
            },
        }
        if entity["confidence"] is not None:
            region["score"] = entity["confidence"]
        yield region
