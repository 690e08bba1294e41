"""Documents of INCEpTION: what is annotated in them, and suggestions for them."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...common.errors import UserError, reported_errors
from ...data.formats.records import Offsets
from ...data.formats.uima_cas import (
    ANNOTATION,
    PREDICTED_FLAG,
    SENTENCE_TYPE,
    STRING_TYPE,
    TOKEN_TYPE,
    cas_of_xml,
    cas_record,
    places_of,
    types_of_xml,
)
from ...inference.annotated_text import EntityDict, distinct_entities
from .messages import CHARACTERS, MOST_QUOTED, SINGLE_TOKEN, LayerRequest, SentDocument

if TYPE_CHECKING:
    from cassis import Cas, TypeSystem

SCORE_SUFFIX = "_score"  # what is appended to a feature's name
# Why a suggestion is left out
NO_TOKEN = "where there is no token"
SEVERAL_TOKENS = "of several tokens, where the layer allows only one"
SEVERAL_SENTENCES = "in several sentences, which the layer does not allow"


class OpenDocument(NamedTuple):
    """A document that was loaded.

    Attributes:
        cas: The view of its text.
        text: Its text.
    """

    cas: "Cas"
    text: str


def types_with_layer(xml: str, wanted: LayerRequest, *, predict: bool) -> "TypeSystem":
    """Load a type system, and check that it has the layer of a request.

    Args:
        xml: The type system.
        wanted: What the request is about.
        predict: Whether suggestions are wanted.

    Raises:
        UserError: If it can't be loaded, or there can't be labels in the layer and its feature.
    """
    types = types_of_xml(xml)
    layer, feature = (name[:MOST_QUOTED] for name in (wanted.layer, wanted.feature))
    if not types.contains_type(wanted.layer):
        raise UserError(f"The type system has no layer {layer}.")
    type_ = types.get_type(wanted.layer)
    if not types.subsumes(ANNOTATION, type_):
        raise UserError(f"The layer {layer} is not for annotations of parts of a text.")
    features = {one.name: one.rangeType.name for one in type_.all_features}
    if wanted.feature not in features:
        raise UserError(f"The layer {layer} has no feature {feature}.")
    if features[wanted.feature] != STRING_TYPE:
        raise UserError(
            f"The feature {feature} of the layer {layer} is no string, but "
            f"{features[wanted.feature]:.{MOST_QUOTED}}: choose one that can hold a label."
        )
    if predict and PREDICTED_FLAG not in features:
        raise UserError(
            f"The layer {layer} has no feature {PREDICTED_FLAG}, by which INCEpTION knows "
            f"suggestions."
        )
    return types


def open_document(xmi: str, types: "TypeSystem") -> OpenDocument:
    """Load a document.

    Args:
        xmi: The document.
        types: Its type system.

    Raises:
        UserError: If it can't be loaded, or has no text.
    """
    cas = cas_of_xml(xmi, types)
    for sofa in cas.sofas:
        if isinstance(sofa.sofaString, str):
            return OpenDocument(cas.get_view(sofa.sofaID), sofa.sofaString)
    raise UserError("The document has no text.")


def annotated_document(
    sent: SentDocument, types: "TypeSystem", wanted: LayerRequest
) -> dict[str, Any]:
    """Return what is annotated in a document, as JSON. Suggestions are left out.

    Args:
        sent: The document.
        types: Its type system, which has the layer.
        wanted: What the request is about.

    Raises:
        UserError: If it can't be read.
    """
    cas, text = open_document(sent.xmi, types)
    with reported_errors("The XMI can't be read", Exception):
        record = cas_record("", cas, text, wanted.layer, wanted.feature)
    entities = [(mention.offsets, mention.label) for mention in record.entities]
    return {
        "id": sent.id,
        "name": record.id,
        "text": text,
        **{name: getattr(record, name) for name in ("words", "spaces", "sent_starts")},
        "entities": [
            [*place, label] for place, label in entities if place and _is_part(place, text)
        ],
    }


def _is_part(place: Offsets, text: str) -> bool:
    return 0 <= place[0] < place[1] <= len(text)


def with_suggestions(
    document: OpenDocument, wanted: LayerRequest, found: Sequence[EntityDict], left_out: Counter
) -> str:
    """Add suggestions to a document, whose annotations stay as they are.

    Args:
        document: The document, to which they are added.
        wanted: What the request is about. Suggestions grow to whole tokens of the document, if the
            layer is of tokens.
        found: What was found in the text.
        left_out: Gets the reasons why entities can't be suggested, and their numbers.

    Returns:
        The document as XMI.

    Raises:
        UserError: If it can't be written.
    """
    cas, text = document
    feature, score = wanted.feature, wanted.feature + SCORE_SUFFIX
    with reported_errors("The suggestions can't be added to the XMI", Exception):
        type_ = cas.typesystem.get_type(wanted.layer)
        has_score = type_.get_feature(score) is not None
        for one in distinct_entities(_anchored(cas, text, wanted, found, left_out)):
            values = {"begin": one["start"], "end": one["end"], feature: one["label"]}
            if has_score and one["confidence"] is not None:
                values[score] = one["confidence"]
            cas.add(type_(**values, **{PREDICTED_FLAG: True}))
        return cas.to_xmi()


def _anchored(
    cas: "Cas", text: str, wanted: LayerRequest, found: Sequence[EntityDict], left_out: Counter
) -> Iterator[EntityDict]:
    """Yield entities as the layer can hold them."""
    tokens = places_of(cas, TOKEN_TYPE, text)
    sentences = [] if wanted.cross_sentence else places_of(cas, SENTENCE_TYPE, text)
    for entity in found:
        place = entity["start"], entity["end"]
        if wanted.anchoring != CHARACTERS:
            covered = _touched(tokens, place)
            if not covered or (wanted.anchoring == SINGLE_TOKEN and len(covered) > 1):
                left_out[SEVERAL_TOKENS if covered else NO_TOKEN] += 1
                continue
            place = covered[0][0], covered[-1][1]
        if len(_touched(sentences, place)) > 1:
            left_out[SEVERAL_SENTENCES] += 1
            continue
        yield {**entity, "start": place[0], "end": place[1]}


def _touched(parts: Sequence[Offsets], place: Offsets) -> Sequence[Offsets]:
    """Return those of some parts of a text, in order and without overlap, that share characters."""
    first = bisect_right(parts, place[0], key=lambda part: part[1])
    return parts[first : bisect_left(parts, place[1], key=lambda part: part[0])]
