"""Requests to the service and its answers. OpenAPI is made from these."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field

MOST_SEQUENCES = 20

REQUEST: dict[str, Any] = {
    "texts": ["Ruth Tehana left Lisbon.", "Nothing here."],
    "threshold": 0.5,
    "candidates": 0.1,
    "k_best": 2,
}
ENTITIES: list[Any] = [
    {"start": 0, "end": 11, "text": "Ruth Tehana", "label": "PERSON", "confidence": 0.98},
    {"start": 17, "end": 23, "text": "Lisbon", "label": "PLACE", "confidence": 0.91},
]
RESULTS: list[Any] = [
    {"entities": ENTITIES, "candidates": ENTITIES, "k_best": None},
    {"entities": [], "candidates": [], "k_best": None},
]
Probability = Annotated[float, Field(ge=0, le=1)]


def _whole(value: Any) -> Any:
    """Turn 2.0 into 2: it is an integer to JSON Schema, but not to pydantic."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class AnnotateRequest(BaseModel):
    """Texts to annotate, and how."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [REQUEST]}
    )

    texts: Annotated[list[str], FailFast()] = Field(
        min_length=1, description="Texts. Each may be empty."
    )
    threshold: Probability | None = Field(
        None,
        description="Entities are at least so probable. null: those of the most probable tag "
        "sequence. Left out: as the pipeline has it, see /labels.",
    )
    candidates: Probability | None = Field(
        None, description="Also all entities that are at least so probable, overlapping or not."
    )
    k_best: Annotated[int | None, BeforeValidator(_whole)] = Field(
        None,
        ge=1,
        le=MOST_SEQUENCES,
        description="Also so many of the most probable tag sequences.",
    )


class FoundEntity(BaseModel):
    """An entity, or a candidate for one."""

    start: int = Field(description="Its first character. An emoji counts as one, as in Python.")
    end: int = Field(description="The character after its last.")
    text: str
    label: str
    confidence: float | None = Field(
        description="Its probability; null where the pipeline knows none."
    )


class TagSequence(BaseModel):
    """One way to tag the whole text."""

    probability: float
    entities: list[FoundEntity] = Field(description="Without a confidence of their own.")


class TextResult(BaseModel):
    """What was found in a text."""

    entities: list[FoundEntity]
    candidates: list[FoundEntity] | None = Field(description="null unless asked for.")
    k_best: list[TagSequence] | None = Field(
        description="The most probable first; null unless asked for."
    )


class AnnotateResponse(BaseModel):
    """A result for each text, in the order of the texts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"results": RESULTS}]})

    results: list[TextResult]


class LabelsResponse(BaseModel):
    """What the pipeline knows, and what the service allows."""

    pipeline: str = Field(description="Name and version.")
    labels: list[str]
    knows_probabilities: bool = Field(
        description="Whether threshold, candidates and k_best may be asked for."
    )
    threshold: float | None = Field(description="That of requests that name none.")
    max_texts: int = Field(description="In one request.")
    max_characters: int = Field(description="Of all texts of a request together.")


class HealthResponse(BaseModel):
    """The service is up, and its pipeline is loaded."""

    status: str
    waiting: int = Field(description="Requests of this process that have no answer yet.")


class ErrorResponse(BaseModel):
    """Why there is no result."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"detail": "texts: Field required"}]})

    detail: str
