"""How a recommender for INCEpTION learns."""

from dataclasses import dataclass

from ..live_model.settings import LearningSettings, Tool

INCEPTION = Tool("INCEpTION", "inception", "sentence", "with the next change")


@dataclass(frozen=True)
class RecommenderSettings(LearningSettings):
    """How a recommender for INCEpTION learns.

    Attributes:
        finished: Whether the documents are completely annotated. If not, sentences without an
            annotation are taken as not annotated.
    """

    train_after: int = 1
    finished: bool = False
