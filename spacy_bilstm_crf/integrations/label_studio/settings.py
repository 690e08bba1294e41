"""How a model for Label Studio predicts and learns."""

from dataclasses import dataclass

from ..live_model.settings import LearningSettings, Tool

LABEL_STUDIO = Tool("Label Studio", "label_studio", "task", 'with "Start Training"')


@dataclass(frozen=True)
class BackendSettings(LearningSettings):
    """How a model for Label Studio predicts and learns.

    Attributes:
        candidates: The least probability of candidates; None shows none.
        candidates_control: Name of the `<Labels>` for candidates.
        unfinished: The choice that marks an annotation as not finished, if there is one.
    """

    train_after: int = 20
    candidates: float | None = None
    candidates_control: str = "candidates"
    unfinished: str | None = None
