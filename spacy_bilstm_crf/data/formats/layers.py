"""Which of the layers of INCEpTION and WebAnno has the entities, and which feature their labels."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...common.errors import UserError

NAMED_ENTITY = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
# Other layers of DKPro Core have parts of speech, lemmas and the like
OF_LINGUISTICS = "de.tudarmstadt.ukp.dkpro.core."
LABEL_FEATURES = ("value", "label")
OTHER_LAYERS = "annotations of other layers left out"
OTHER_FEATURES = "values of other features of entities left out"


class Layer(NamedTuple):
    """A layer of spans.

    Attributes:
        features: The names of its features that may be labels.
        n_annotations: How many annotations it has.
    """

    features: Sequence[str]
    n_annotations: int


def chosen_layer(layers: Mapping[str, Layer], named: str | None) -> tuple[str, str | None]:
    """Choose the layer and the feature of the entities.

    They are in the layer of named entities, or else in the only other one with annotations that is
    not of linguistics.

    Args:
        layers: The layers of spans, by their names.
        named: The layer that was asked for, by its name or the last part of it; None for none.

    Returns:
        The layer, and the feature that has the labels; None if it has no feature, so that its own
        name is the label.

    Raises:
        UserError: If it can't be told which layer or feature is meant.
    """
    full = {name: layer for name, layer in layers.items() if layer.n_annotations}
    if named is not None:
        names = [name for name in layers if named in (name, short_name(name))]
        if len(names) != 1:
            raise UserError(f"There is no layer {named!r}, but: {', '.join(layers) or 'none'}.")
    else:
        others = [name for name in full if not name.startswith(OF_LINGUISTICS)]
        names = [NAMED_ENTITY] if NAMED_ENTITY in full or not others else others
    if len(names) > 1:
        raise UserError(
            f"Several layers have annotations: {', '.join(names)}. Name the one of the entities "
            f"with --layer."
        )
    features = layers[names[0]].features if names[0] in layers else LABEL_FEATURES
    labels = [one for one in LABEL_FEATURES if one in features] or features
    if len(labels) > 1 and not set(labels) & set(LABEL_FEATURES):
        raise UserError(
            f"The layer {names[0]} has several features: {', '.join(labels)}. None of them is "
            f"called value or label, so the labels are not known."
        )
    return names[0], labels[0] if labels else None


def short_name(layer: str) -> str:
    """Return the last part of a layer's name."""
    return layer.rsplit(".", 1)[-1]
