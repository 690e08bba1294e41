"""An ensemble of networks: the mean of their potentials."""

from collections.abc import Callable

from spacy.tokens import Doc
from thinc.api import Model

from ..potentials import Potentials


def Ensemble(*members: Model[list[Doc], Potentials]) -> Model[list[Doc], Potentials]:
    """Average the potentials of several `BiLSTMCRF`s.

    The distribution of the mean scores is the normalized geometric mean of the members'
    distributions over tag sequences (a logarithmic opinion pool; Genest and Zidek 1986). It is a
    CRF again, so all probabilities stay exact. Prediction takes as long as all members together.

    Args:
        members: Models of `spacy-bilstm-crf.BiLSTMCRF.v1`, each with a tok2vec of its own.

    Returns:
        The model, from docs to potentials.

    Raises:
        ValueError: If there are no members, or one is of another architecture or listens to a
            shared tok2vec.
    """
    if not members:
        raise ValueError("An Ensemble needs members: [components.ner.model.*.NAME] blocks.")
    for member in members:
        if member.name != "windows":
            raise ValueError(
                f"The members of an Ensemble must be of spacy-bilstm-crf.BiLSTMCRF.v1, but one is "
                f"a '{member.name}'."
            )
        if listens(member):
            raise ValueError(
                "The members of an Ensemble can't listen to a tok2vec or transformer of the "
                "pipeline, since each was trained with its own: put the tok2vec into the "
                "component, as in configs/bilstm_crf.cfg."
            )
    model: Model[list[Doc], Potentials] = Model(
        "ensemble",
        _forward,
        init=_init,
        layers=list(members),
        attrs={"resize_output": _resize},
        dims={"nO": members[0].maybe_get_dim("nO")},
    )
    for ref in ("tok2vec", "output_layer"):
        model.set_ref(ref, members[0].get_ref(ref))
    return model


def listens(model: Model) -> bool:
    """Check whether a layer gets its vectors from another component."""
    return any(node.name.endswith("listener") for node in model.walk())


def _forward(
    model: Model[list[Doc], Potentials], docs: list[Doc], is_train: bool
) -> tuple[Potentials, Callable[[Potentials], list[Doc]]]:
    share = 1.0 / len(model.layers)
    outputs = [member(docs, is_train) for member in model.layers]
    mean = outputs[0][0].scaled(share)
    for potentials, _ in outputs[1:]:
        mean = mean.plus(potentials.scaled(share))

    def backprop(gradient: Potentials) -> list[Doc]:
        of_member = gradient.scaled(share)
        for _, backprop_member in outputs:
            backprop_member(of_member)
        return []

    return mean, backprop


def _init(model: Model, X: list[Doc] | None = None, Y: Potentials | None = None) -> None:
    for member in model.layers:
        member.initialize(X=X, Y=Y)


def _resize(model: Model, n_tags: int, n_chains: int | None = None) -> Model:
    for member in model.layers:
        member.attrs["resize_output"](member, n_tags, n_chains)
    model.set_dim("nO", n_tags, force=True)
    return model
