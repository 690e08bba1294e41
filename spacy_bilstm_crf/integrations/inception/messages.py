"""The requests of INCEpTION's external recommenders, version 1 of the protocol."""

from typing import Any, NamedTuple

from ...common.errors import UserError
from ..live_model.state import is_id

CHARACTERS, SINGLE_TOKEN, TOKENS, WHOLE_SENTENCES = (
    "characters",
    "singleToken",
    "tokens",
    "sentences",
)
MODES = (CHARACTERS, SINGLE_TOKEN, TOKENS, WHOLE_SENTENCES)
MOST_QUOTED = 100  # characters of what a request names, where messages quote it


class LayerRequest(NamedTuple):
    """What a request is about.

    Attributes:
        project: The id of the project.
        layer: The layer of annotations.
        feature: The feature that has their labels.
        anchoring: What annotations are made of, one of `MODES`.
        cross_sentence: Whether one may be in several sentences.
    """

    project: int
    layer: str
    feature: str
    anchoring: str = CHARACTERS
    cross_sentence: bool = False


class SentDocument(NamedTuple):
    """A document as INCEpTION sends it.

    Attributes:
        xmi: The document and its annotations, a CAS as XMI.
        id: Its id; None if it has none.
        user: Who annotates it.
    """

    xmi: str
    id: int | None
    user: str


def layer_request(given: dict[str, Any]) -> LayerRequest:
    """Read what a request is about.

    Raises:
        UserError: If it does not say, or is about annotations of whole sentences.
    """
    metadata = _object(given, "metadata")
    project: Any = metadata.get("projectId")
    if not is_id(project):
        raise UserError("metadata.projectId: there is no whole number.")
    layer, feature = (_text(metadata, name, "metadata.") for name in ("layer", "feature"))
    anchoring = metadata.get("anchoringMode", CHARACTERS)
    if anchoring not in MODES:
        raise UserError(f"metadata.anchoringMode: it must be one of {', '.join(MODES)}.")
    if anchoring == WHOLE_SENTENCES:
        raise UserError(
            f"The layer {layer:.{MOST_QUOTED}} is for annotations of whole sentences. Named "
            f"entities need one with the granularity of tokens or characters."
        )
    cross_sentence = metadata.get("crossSentence", False)
    if not isinstance(cross_sentence, bool):
        raise UserError("metadata.crossSentence: it must be true or false.")
    return LayerRequest(project, layer, feature, anchoring, cross_sentence)


def type_system(given: dict[str, Any]) -> str:
    """Return the type system of a request, as XML.

    Raises:
        UserError: If there is none.
    """
    return _text(given, "typeSystem")


def sent_document(given: dict[str, Any]) -> SentDocument:
    """Read the document of a request for suggestions.

    Raises:
        UserError: If there is none.
    """
    return _document(_object(given, "document"), "document")


def sent_documents(given: dict[str, Any]) -> list[SentDocument]:
    """Read the documents of a request to train.

    Raises:
        UserError: If there are none.
    """
    documents = given.get("documents")
    if not isinstance(documents, list) or not documents:
        raise UserError("documents: there is no list of documents.")
    return [_document(one, f"documents.{i}") for i, one in enumerate(documents)]


def _document(given: Any, where: str) -> SentDocument:
    if not isinstance(given, dict):
        raise UserError(f"{where}: there is no document.")
    xmi = _text(given, "xmi", f"{where}.")
    id_, user = given.get("documentId"), given.get("userId")
    if id_ is not None and not is_id(id_):
        raise UserError(f"{where}.documentId: it must be a whole number.")
    if user is not None and not isinstance(user, str):
        raise UserError(f"{where}.userId: it must be a string.")
    return SentDocument(xmi, id_, user or "")


def _object(given: dict[str, Any], name: str) -> dict[str, Any]:
    found = given.get(name)
    if not isinstance(found, dict):
        raise UserError(f"{name}: there is no object.")
    return found


def _text(given: dict[str, Any], name: str, where: str = "") -> str:
    found = given.get(name)
    if not isinstance(found, str) or not found.strip():
        raise UserError(f"{where}{name}: there is no text.")
    return found
