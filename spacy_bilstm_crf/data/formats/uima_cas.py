"""UIMA CAS, as INCEpTION exports it: XMI with its type system, or JSON.

A file is a document. Tokens and sentences are those of the file. XMI needs the `TypeSystem.xml`
that is exported with it, in the same folder.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

from ...common.errors import UserError, check_installed, reported_errors
from ...common.xml_text import plain_xml
from .docs import NO_ENTITY
from .jsonl import as_id
from .layers import OTHER_FEATURES, OTHER_LAYERS, Layer, chosen_layer, short_name
from .records import Findings, Offsets, RawMention, Record
from .registry import Format, register
from .sample import FileSample
from .settings import FormatSettings
from .words import align_words

if TYPE_CHECKING:
    from cassis import Cas, TypeSystem

ANNOTATION = "uima.tcas.Annotation"
SEGMENTATION = "de.tudarmstadt.ukp.dkpro.core.api.segmentation.type."
TOKEN_TYPE, SENTENCE_TYPE = SEGMENTATION + "Token", SEGMENTATION + "Sentence"
METADATA_TYPE = "de.tudarmstadt.ukp.dkpro.core.api.metadata.type.DocumentMetaData"
# What is no annotation of a person
OF_DOCUMENT = (
    TOKEN_TYPE,
    SENTENCE_TYPE,
    METADATA_TYPE,
    "uima.tcas.DocumentAnnotation",
    "uima.cas.Sofa",
)
OF_SETTINGS = ("de.tudarmstadt.ukp.clarin.webanno.api.type.", METADATA_TYPE.rsplit(".", 1)[0])
PREDICTED_FLAG = "inception_internal_predicted"  # marks what a recommender suggests
# Features that annotations have of themselves, and those that layers of relations have
OF_ANNOTATIONS = {"sofa", "begin", "end"}
OF_RELATIONS = {"Governor", "Dependent"}
OF_CHAINS = {"next", "first"}
# Types of features that may be labels
STRING_TYPE, NUMBERS = "uima.cas.String", {"uima.cas.Integer", "uima.cas.Boolean"}
TYPE_SYSTEM, OF_TYPE_SYSTEM = "TypeSystem.xml", b"<typeSystemDescription"
LENGTH_OF_START = 4096


def read_uima_cas(path: Path, settings: FormatSettings, findings: Findings) -> Iterator[Record]:
    """Read the document of a file.

    Raises:
        UserError: If it is none, its type system is not there, or dkpro-cassis is not installed.
    """
    check_installed("inception", "cassis")
    with catch_warnings():
        simplefilter("ignore")  # offsets outside the text, which become problems
        cas = _load(path)
    text = cas.sofa_string
    if not isinstance(text, str):
        raise UserError(f"{path} has no text.")
    findings.notes["views other than the first left out"] += len(cas.views) - 1
    every = [one for one in cas.select(ANNOTATION) if not _is_of_document(one.type.name)]
    n_of = Counter(one.type.name for one in every)
    layers = {
        type_.name: Layer(_labels(type_), n_of[type_.name])
        for type_ in cas.typesystem.get_types(built_in=False)
        if _is_layer(type_, cas)
    }
    try:
        layer, feature = chosen_layer(layers, settings.layer)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    found = cas.select(layer) if cas.typesystem.contains_type(layer) else []
    record = cas_record(str(path), cas, text, layer, feature)
    entities = record.entities
    findings.notes[NO_ENTITY] += not entities
    findings.notes[OTHER_LAYERS] += len(every) - len(entities)
    findings.notes[OTHER_FEATURES] += sum(_has_other_values(one, feature) for one in found)
    yield record


def cas_record(place: str, cas: "Cas", text: str, layer: str, feature: str | None) -> Record:
    """Make a record of a CAS.

    Args:
        place: What messages call it.
        cas: The CAS.
        text: Its text.
        layer: The layer of the entities.
        feature: The feature with their labels; None if the name of the layer is the label.
    """
    found = cas.select(layer) if cas.typesystem.contains_type(layer) else []
    shown = [one for one in found if not _is_predicted(one)]
    entities = tuple(_mention(one, feature, short_name(layer)) for one in shown)
    return Record(place, text, id=_title(cas), entities=entities, **_tokens(cas, text))


def _is_predicted(annotation: Any) -> bool:
    """Tell whether an annotation is one that a recommender has suggested."""
    known = annotation.type.get_feature(PREDICTED_FLAG) is not None
    return known and annotation[PREDICTED_FLAG] is True


def types_of_xml(xml: str) -> "TypeSystem":
    """Load a type system that anybody may have sent.

    Args:
        xml: The type system.

    Raises:
        UserError: If it can't be read.
    """
    from cassis import load_typesystem

    with reported_errors("The type system can't be read", Exception):
        return load_typesystem(plain_xml(xml, "The type system"))


def cas_of_xml(xmi: str, types: "TypeSystem") -> "Cas":
    """Load a CAS that anybody may have sent.

    Args:
        xmi: The CAS.
        types: Its type system.

    Raises:
        UserError: If it can't be read.
    """
    from cassis import load_cas_from_xmi

    with reported_errors("The XMI can't be read", Exception), catch_warnings():
        simplefilter("ignore")  # offsets outside the text
        return load_cas_from_xmi(plain_xml(xmi, "The XMI"), typesystem=types)


def _mention(annotation: Any, feature: str | None, name: str) -> RawMention:
    label = getattr(annotation, feature) if feature else name
    offsets = annotation.begin, annotation.end
    return RawMention((offsets,), label if label is None else str(label))


def _load(path: Path) -> "Cas":
    from cassis import load_cas_from_json, load_cas_from_xmi, load_typesystem

    with path.open("rb") as file:
        is_xml = file.read(LENGTH_OF_START).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")
    if not is_xml:
        with path.open("rb") as file, reported_errors(f"{path} is no UIMA CAS in JSON", Exception):
            return load_cas_from_json(file)
    types = _type_system(path)
    with types.open("rb") as file, reported_errors(f"{types} is no type system", Exception):
        typesystem = load_typesystem(file)
    what = f"{path} is no UIMA CAS of the types of {types.name}"
    with path.open("rb") as file, reported_errors(what, Exception):
        return load_cas_from_xmi(file, typesystem=typesystem)


def _type_system(path: Path) -> Path:
    """Find the type system that was exported with a file.

    Raises:
        UserError: If it is not there.
    """
    named = path.with_name(TYPE_SYSTEM)
    others = [file for file in sorted(path.parent.glob("*.xml")) if file != named]
    for file in [named, *others]:
        with suppress(FileNotFoundError), file.open("rb") as opened:
            if OF_TYPE_SYSTEM in opened.read(LENGTH_OF_START):
                return file
    raise UserError(
        f"{path} needs its type system: put the {TYPE_SYSTEM} that was exported with it into the "
        f"same folder."
    )


def _is_of_document(name: str) -> bool:
    return name in OF_DOCUMENT or name.startswith(OF_SETTINGS)


def _is_layer(type_: Any, cas: "Cas") -> bool:
    """Tell whether a type is a layer of spans, and not of relations or chains."""
    features = {feature.name for feature in type_.all_features}
    is_span = cas.typesystem.subsumes(ANNOTATION, type_)
    is_linked = features >= OF_RELATIONS or bool(OF_CHAINS & features)
    is_of_links = bool(features - OF_ANNOTATIONS) and not _labels(type_)
    return is_span and not is_linked and not is_of_links and not _is_of_document(type_.name)


def _labels(type_: Any) -> list[str]:
    """The features of a layer that may be labels: those of text, or else others of one value."""
    ranges = {one.name: one.rangeType.name for one in type_.all_features}
    own = {name: range_ for name, range_ in ranges.items() if name not in OF_ANNOTATIONS}
    of_text = [name for name, range_ in own.items() if range_ == STRING_TYPE]
    return of_text or [name for name, range_ in own.items() if range_ in NUMBERS]


def _has_other_values(annotation: Any, label: str | None) -> bool:
    names = {feature.name for feature in annotation.type.all_features}
    others = names - OF_ANNOTATIONS - {label}
    return any(getattr(annotation, name) is not None for name in others)


def _title(cas: "Cas") -> str | None:
    if not cas.typesystem.contains_type(METADATA_TYPE):
        return None
    titles = [one.documentTitle or one.documentId for one in cas.select(METADATA_TYPE)]
    return as_id(titles[0]) if titles else None


def _tokens(cas: "Cas", text: str) -> dict[str, Any]:
    """The tokens of a record and where sentences start, if those of the file make up the text."""
    tokens, sentences = (places_of(cas, name, text) for name in (TOKEN_TYPE, SENTENCE_TYPE))
    is_ordered = all(a[1] <= b[0] for a, b in pairwise(tokens))
    words = [text[start:end] for start, end in tokens]
    if not words or not is_ordered or any(word.isspace() for word in words):
        return {}
    try:
        every, spaces, _ = align_words(text, words)
    except UserError:
        return {}
    starts = {start for start, _ in sentences}
    found = {"words": every, "spaces": spaces}
    if len(starts) < 2:
        return found
    length, sent_starts, is_first = 0, [], False
    for word, space in zip(every, spaces):
        # A sentence may begin with white space, which is a token of its own
        is_first = is_first or any(length <= x < length + len(word) for x in starts) or not length
        sent_starts.append(is_first and not word.isspace())
        is_first = is_first and word.isspace()
        length += len(word) + space
    return {**found, "sent_starts": sent_starts}


def places_of(cas: "Cas", name: str, text: str) -> list[Offsets]:
    """Return where the annotations of a type are that are parts of the text, in order.

    Args:
        cas: The CAS.
        name: The type.
        text: The text.
    """
    if not cas.typesystem.contains_type(name):
        return []
    places = [(one.begin, one.end) for one in cas.select(name)]
    numbers = [x for x in places if all(isinstance(offset, int) for offset in x)]
    return sorted(x for x in numbers if 0 <= x[0] < x[1] <= len(text))


def _detect(sample: FileSample) -> bool:
    is_xmi = sample.text.lstrip().startswith("<") and "<xmi:XMI" in sample.text[:LENGTH_OF_START]
    return is_xmi or sample.has("%FEATURE_STRUCTURES")


register(Format("uima-cas", read_uima_cas, None, (".xmi", ".json"), detect=_detect))
