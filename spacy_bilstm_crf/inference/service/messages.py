"""Requests to the service and its answers. OpenAPI is made from these."""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    FailFast,
    Field,
    Tag,
)

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
    {"entities": ENTITIES, "candidates": ENTITIES, "k_best": None, "tokens": None},
    {"entities": [], "candidates": [], "k_best": None, "tokens": None},
]
DOCBIN_REQUEST: dict[str, Any] = {
    "texts": REQUEST["texts"],
    "entities": [[{"start": 0, "end": 11, "label": "PERSON"}], []],
}
Probability = Annotated[float, Field(ge=0, le=1)]
# Told apart beforehand, so that an error is of one of them alone
Threshold = Annotated[
    Annotated[Probability, Tag("number")] | Annotated[dict[str, Probability], Tag("by label")],
    Discriminator(lambda given: "by label" if isinstance(given, dict) else "number"),
]


def _whole(value: Any) -> Any:
    """Turn 2.0 into 2: it is an integer to JSON Schema, but not to pydantic."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Offset = Annotated[int, Field(ge=0), BeforeValidator(_whole)]


class FixedSpan(BaseModel):
    """A span that is an entity."""

    model_config = ConfigDict(strict=True, extra="forbid")

    start: Offset = Field(description="Its first character.")
    end: Offset = Field(description="The character after its last.")
    label: str


class RejectedSpan(BaseModel):
    """A span that is no entity of its label, or in which there is none."""

    model_config = ConfigDict(strict=True, extra="forbid")

    start: Offset = Field(description="Its first character.")
    end: Offset = Field(description="The character after its last.")
    label: str | None = Field(
        None, description="null: no token of it is in an entity, whatever its label."
    )


class AnnotateRequest(BaseModel):
    """Texts to annotate, and how."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [REQUEST]}
    )

    texts: Annotated[list[str], FailFast()] = Field(
        min_length=1, description="Texts. Each may be empty."
    )
    threshold: Threshold | None = Field(
        None,
        description="Minimum probability of an entity, or an object with one for each label; it is "
        "0.5 for a label that is not there. null: the entities of the most probable tag sequence. "
        "If left out: the pipeline's own setting, see /labels.",
    )
    candidates: Probability | None = Field(
        None,
        description="Also return all spans with at least this probability, overlapping or not.",
    )
    k_best: Annotated[int | None, BeforeValidator(_whole)] = Field(
        None,
        ge=1,
        le=MOST_SEQUENCES,
        description="Also return this many of the most probable tag sequences.",
    )
    fixed: Annotated[list[list[FixedSpan]] | None, FailFast()] = Field(
        None,
        description="For each text, spans that are entities. All else is found given that, with "
        "exact probabilities. A span has to begin and end where tokens do.",
    )
    rejected: Annotated[list[list[RejectedSpan]] | None, FailFast()] = Field(
        None,
        description="For each text, spans that are no entities, while others that overlap "
        "them may be. They may overlap one another.",
    )
    tokens: bool = Field(False, description="Also return where the tokens are.")


class FoundEntity(BaseModel):
    """An entity, or a candidate for one."""

    start: int = Field(description="Its first character. An emoji counts as one, as in Python.")
    end: int = Field(description="The character after its last.")
    text: str
    label: str
    confidence: float | None = Field(description="Its probability; null if the pipeline has none.")


class TagSequence(BaseModel):
    """One way to tag the whole text."""

    probability: float
    entities: list[FoundEntity] = Field(description="Without a confidence of their own.")
    in_set: bool | None = Field(
        description="Whether it is in the set of tag sequences that contains the right one in as "
        "many texts as /labels says under coverage. If all are, the set may be larger. null if the "
        "pipeline is not calibrated for that, and with fixed or rejected spans."
    )


class TextResult(BaseModel):
    """What was found in a text."""

    entities: list[FoundEntity] = Field(
        description="In the order of the text, of those with the same start the longest first. "
        "Those of a bilstm_crf_spans or spancat may overlap one another and others."
    )
    candidates: list[FoundEntity] | None = Field(description="null unless asked for.")
    k_best: list[TagSequence] | None = Field(
        description="The most probable first; null unless asked for."
    )
    tokens: list[tuple[int, int]] | None = Field(
        description="First character of each token, and the one after its last; null unless asked "
        "for. White space is a token, too."
    )


class AnnotateResponse(BaseModel):
    """A result for each text, in the order of the texts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"results": RESULTS}]})

    results: list[TextResult]


class AnnotatedTexts(BaseModel):
    """Texts whose entities are known."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [DOCBIN_REQUEST]}
    )

    texts: Annotated[list[str], FailFast()] = Field(
        min_length=1, description="Texts. Each may be empty."
    )
    entities: Annotated[list[list[FixedSpan]] | None, FailFast()] = Field(
        None,
        description="For each text, all of its entities. Each has to begin and end where tokens "
        "do, and to have a label of the pipeline. If left out: the texts have none.",
    )


class LabelsResponse(BaseModel):
    """What the pipeline knows, and what the service allows."""

    pipeline: str = Field(description="Name and version.")
    labels: list[str]
    knows_probabilities: bool = Field(
        description="Whether threshold and candidates may be asked for."
    )
    knows_k_best: bool = Field(description="Whether k_best may be asked for.")
    knows_corrections: bool = Field(description="Whether fixed and rejected may be given.")
    threshold: float | dict[str, float] | None = Field(
        description="Threshold for requests that don't set one: of the first component that has "
        "one. An object if it is another one for each label."
    )
    thresholds: dict[str, float | dict[str, float] | None] = Field(
        description="The same for each component that knows probabilities."
    )
    coverage: float | None = Field(
        description="The share of texts whose set of tag sequences contains the right one: see "
        "in_set of k_best. null if the pipeline is not calibrated for that."
    )
    label_groups: list[list[str]] | None = Field(
        description="Groups of labels. With a threshold, the entities of a group are those of its "
        "candidates, without overlap within the group, that maximize the sum of (confidence - "
        "threshold of the label). null if entities depend on anything else: ask for them with the "
        "threshold."
    )
    max_texts: int = Field(description="Maximum number per request.")
    max_characters: int = Field(
        description="Maximum number of characters of all texts of a request."
    )


class HealthResponse(BaseModel):
    """The service is up, and its pipeline is loaded."""

    status: str
    waiting: int = Field(description="Requests of this process that have no answer yet.")


class ErrorResponse(BaseModel):
    """Why there is no result."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"detail": "texts: Field required"}]})

    detail: str
