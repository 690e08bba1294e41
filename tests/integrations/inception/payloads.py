"""Requests as INCEpTION sends them, in the form of its developer guide.

The XML is made by hand, with offsets in units of UTF-16, and read by Python's own parser: what
dkpro-cassis makes of it is what is tested.
"""

import re
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

NAMED_ENTITY = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
SEGMENTATION = "de.tudarmstadt.ukp.dkpro.core.api.segmentation.type"
METADATA = {
    "layer": NAMED_ENTITY,
    "feature": "value",
    "projectId": 1337,
    "anchoringMode": "tokens",
    "crossSentence": False,
    "range": {"begin": 0, "end": 10},
}
NAMESPACES = (
    'xmlns:tcas="http:///uima/tcas.ecore" xmlns:xmi="http://www.omg.org/XMI" '
    'xmlns:cas="http:///uima/cas.ecore" xmlns:cassis="http:///cassis.ecore" '
    'xmlns:type4="http:///de/tudarmstadt/ukp/dkpro/core/api/ner/type.ecore" '
    'xmlns:type5="http:///de/tudarmstadt/ukp/dkpro/core/api/segmentation/type.ecore" '
    'xmlns:type3="http:///de/tudarmstadt/ukp/dkpro/core/api/metadata/type.ecore"'
)
ENTITY = "{http:///de/tudarmstadt/ukp/dkpro/core/api/ner/type.ecore}NamedEntity"
SOFA = "{http:///uima/cas.ecore}Sofa"


def type_of(name, features=(), parent="uima.tcas.Annotation"):
    each = "".join(
        f"<featureDescription><name>{feature}</name><description/>"
        f"<rangeTypeName>uima.{range_}</rangeTypeName></featureDescription>"
        for feature, range_ in dict(features).items()
    )
    return (
        f"<typeDescription><name>{name}</name><description/>"
        f"<supertypeName>{parent}</supertypeName><features>{each}</features></typeDescription>"
    )


LANGUAGE = type_of("uima.tcas.DocumentAnnotation", {"language": "cas.String"})
OF_LAYER = {"value": "cas.String", "identifier": "cas.String", "number": "cas.Integer"}
OF_PREDICTIONS = {
    "value_score": "cas.Double",
    "value_score_explanation": "cas.String",
    "inception_internal_predicted": "cas.Boolean",
}
SEGMENTS = type_of(f"{SEGMENTATION}.Token") + type_of(f"{SEGMENTATION}.Sentence")
TITLE = "de.tudarmstadt.ukp.dkpro.core.api.metadata.type.DocumentMetaData"
OTHERS = SEGMENTS + type_of("custom.Plain", {"value": "cas.String"}, "uima.cas.TOP")
OTHERS += type_of(TITLE, {"documentTitle": "cas.String"}, "uima.tcas.DocumentAnnotation")


def type_system(features=None, others=OTHERS):
    """The type system: its layer with the features for predictions, unless others are given."""
    own = {**OF_LAYER, **OF_PREDICTIONS} if features is None else features
    return (
        '<?xml version="1.0" encoding="UTF-8"?> <typeSystemDescription '
        'xmlns="http://uima.apache.org/resourceSpecifier"> <types>'
        f"{LANGUAGE}{others}{type_of(NAMED_ENTITY, own)}</types> </typeSystemDescription>"
    )


TYPE_SYSTEM = type_system()
OF_TRAINING = type_system(OF_LAYER)  # which has nothing of predictions


def units(text, offset):
    """An offset in units of UTF-16."""
    return len(text[:offset].encode("utf-16-le")) // 2


def words_of(text):
    return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]


def lines_of(text):
    return [match.span() for match in re.finditer(r"[^\n]+", text)]


def xmi(text, entities=(), tokens=None, sentences=None, title="a.txt", sofa="_InitialView"):
    """A document: entities are the start, end and label of each, and further attributes."""
    tokens = words_of(text) if tokens is None else tokens
    sentences = lines_of(text) if sentences is None else sentences
    places = [("tcas:DocumentAnnotation", 0, len(text), {"language": "x-unspecified"})]
    places += [("type5:Token", *place, {}) for place in tokens]
    places += [("type5:Sentence", *place, {}) for place in sentences]
    for start, end, label, *others in entities:
        value = {} if label is None else {"value": label}
        places.append(("type4:NamedEntity", start, end, dict(*others, **value)))
    if title:
        places.append(("type3:DocumentMetaData", 0, len(text), {"documentTitle": title}))
    made = ""
    for number, (name, start, end, attributes) in enumerate(places, start=8):
        more = " ".join(f"{key}={quoteattr(value)}" for key, value in attributes.items())
        made += (
            f'<{name} xmi:id="{number}" sofa="1" begin="{units(text, start)}" '
            f'end="{units(text, end)}" {more}/>'
        )
    string = quoteattr(text, {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
    members = " ".join(map(str, range(8, 8 + len(places))))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?> <xmi:XMI {NAMESPACES} xmi:version="2.0"> '
        f'<cas:NULL xmi:id="0"/> {made} <cas:Sofa xmi:id="1" sofaNum="1" sofaID="{sofa}" '
        f'mimeType="text/plain" sofaString={string}/> '
        f'<cas:View sofa="1" members="{members}"/> </xmi:XMI>'
    )


def predict(document, types=TYPE_SYSTEM, **metadata):
    return {
        "metadata": {**METADATA, **metadata},
        "document": {"xmi": document, "documentId": 42, "userId": "testuser"},
        "typeSystem": types,
    }


def train(*documents, user="testuser", types=OF_TRAINING, **metadata):
    sent = [
        {"xmi": one, "documentId": number, "userId": user}
        for number, one in enumerate(documents, start=42)
    ]
    return {"metadata": {**METADATA, **metadata}, "documents": sent, "typeSystem": types}


def entities_of(document):
    """The attributes of a document's entities, without ids; their offsets as in the XMI."""
    root = ElementTree.fromstring(document)
    found = [dict(each.attrib) for each in root.iter(ENTITY)]
    for one in found:
        one.pop("{http://www.omg.org/XMI}id")
    return found


def predicted(document):
    """The start, end, label and score of each prediction, with offsets in code points."""
    root = ElementTree.fromstring(document)
    (text,) = [one.get("sofaString") for one in root.iter(SOFA) if one.get("sofaString")]
    places = {units(text, offset): offset for offset in range(len(text) + 1)}
    return [
        (places[int(one["begin"])], places[int(one["end"])], one["value"], one.get("value_score"))
        for one in entities_of(document)
        if one.get("inception_internal_predicted") == "true"
    ]
