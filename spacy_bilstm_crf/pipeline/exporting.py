"""Puts an exported model in the place of a component's own."""

from spacy.language import Language

from .. import models
from ..models import Precision
from .base import TrainableCRF


def export_component(nlp: Language, component: TrainableCRF, precision: Precision) -> None:
    """Replace the model of a component by one that predicts without torch.

    Args:
        nlp: The pipeline.
        component: The component; its settings, labels and calibration stay.
        precision: See `models.export_model`.

    Raises:
        UserError: If a layer can't be exported, or the model is not trained.
    """
    block = nlp.get_pipe_config(component.name)
    samples = []
    if precision == "int8":
        names = nlp.pipe_names
        others = names[names.index(component.name) :]
        docs = models.docs_of_known_words(component.model, nlp.vocab)
        samples = list(nlp.pipe(docs, disable=others))
    component.model, block["model"] = models.export_model(
        component.model, block["model"], precision, samples
    )
