"""The training process of a model for Label Studio: see `live_model.training`."""

from pathlib import Path

import srsly
from spacy.language import Language
from spacy.tokens import Doc

from ...data.formats import DocSettings, Findings, FormatSettings, read
from ..live_model.training import AnnotatedItems, run_training
from .label_config import LabelConfig
from .settings import LABEL_STUDIO

COMPLETE, PARTLY, LABEL_CONFIG = "complete.json", "partly.json", "label_config.json"


def read_tasks(nlp: Language, folder: Path) -> AnnotatedItems:
    """Read the tasks that a training is to learn from.

    Args:
        nlp: The pipeline to train further.
        folder: The folder of the training.
    """
    config = LabelConfig(**srsly.read_json(folder / LABEL_CONFIG))
    docs: list[Doc] = []
    findings = Findings()
    for name, rest in ((COMPLETE, "outside"), (PARTLY, "missing")):
        # Blanks at the edges are cut off; what else does not fit is taken as not annotated
        settings = FormatSettings(
            nlp.lang or "xx", config.key, DocSettings(on_problem="trim", unannotated=rest)
        )
        if srsly.read_json(folder / name):
            docs += read(folder / name, "label-studio", settings, findings)
    return AnnotatedItems(
        docs, findings.problems, lambda label: config.label_in_project(label) is not None
    )


if __name__ == "__main__":
    run_training(LABEL_STUDIO, read_tasks)
