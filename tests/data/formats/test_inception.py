"""INCEpTION's exports: UIMA CAS, made here by dkpro-cassis, and WebAnno TSV 3."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.common import errors
from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import DocSettings, Findings, FormatSettings, read
from spacy_bilstm_crf.data.formats.layers import NAMED_ENTITY, OTHER_LAYERS
from spacy_bilstm_crf.data.formats.uima_cas import METADATA_TYPE, SENTENCE_TYPE, TOKEN_TYPE

cassis = pytest.importorskip("cassis")
SMILE = "\U0001f600"  # two units of UTF-16
SPAN = "webanno.custom.Span"


def reading(path, name, findings=None, layer=None):
    given_settings = FormatSettings("en", docs=DocSettings("missing"), layer=layer)
    return list(read(path, name, given_settings, Findings() if findings is None else findings))


def tagged(doc):
    return " ".join(f"{t.text}/{t.ent_iob_ or '?'}{t.ent_type_}" for t in doc)


def notes(findings):
    return {what: n for what, n in findings.notes.items() if n and "without an entity" not in what}


# WebAnno TSV

HEADER = "#FORMAT=WebAnno TSV 3.3\n#T_SP={}\n\n\n"
ENTITIES = NAMED_ENTITY + "|identifier|value"


def tsv(tmp_path, text, layers=ENTITIES):
    path = tmp_path / "data.tsv"
    path.write_text(HEADER.format(layers) + text, encoding="utf8")
    return path


TWO = f"""#Text=I like {SMILE}  Ada Lee.
1-1\t0-1\tI\t_\t_\t
1-2\t2-6\tlike\t_\t_\t
1-3\t7-9\t{SMILE}\t_\tTHING\t
1-4\t11-14\tAda\tQ1[1]\tPER[1]\t
1-5\t15-18\tLee\tQ1[1]\tPER[1]\t
1-6\t18-19\t.\t_\t_\t

#Text=You like
#Text=it
2-1\t20-23\tYou\t_\t_\t
2-2\t24-28\tlike\t_\t_\t
2-3\t29-31\tit\t_\t_\t
"""


def test_webanno(tmp_path):
    findings = Findings()
    (doc,) = reading(tsv(tmp_path, TWO), "webanno", findings)
    assert doc.text == f"I like {SMILE}  Ada Lee. You like\nit"
    assert [(ent.text, ent.label_) for ent in doc.ents] == [(SMILE, "THING"), ("Ada Lee", "PER")]
    assert [sent.text for sent in doc.sents] == [f"I like {SMILE}  Ada Lee.", "You like\nit"]
    assert all(token.ent_iob for token in doc)
    assert not findings.problems and not notes(findings)


@pytest.mark.parametrize(
    "cells, expected, kinds",
    [
        ("A[1]|B[2]\nA[1]\n_", "ab/? cd/? ef/O", ["overlapping"]),
        ("*\n_\n_", "ab/? cd/O ef/O", ["no label"]),
        ("*[1]\n*[1]\n_", "ab/? cd/? ef/O", ["no label"]),
        ("\\_\n\\*\nx\\[1\\]", "ab/B_ cd/B* ef/Bx[1]", []),
        ("a\\|b\na\\\\|b\n_", "ab/Ba|b cd/? ef/O", ["overlapping"]),
        ("A[1]\n_\nA[2]", "ab/BA cd/O ef/BA", []),
        ("A[1]\nA[1]\nA[1]", "ab/BA cd/IA ef/IA", []),
        ("_\n_\n_", "ab/O cd/O ef/O", []),
    ],
)
def test_cells_of_webanno(cells, expected, kinds, tmp_path):
    findings = Findings()
    words = [(0, 2, "ab"), (3, 5, "cd"), (6, 8, "ef")]
    lines = [
        f"1-{i}\t{start}-{end}\t{word}\t{cell}\t"
        for i, ((start, end, word), cell) in enumerate(zip(words, cells.split("\n")), start=1)
    ]
    path = tsv(tmp_path, "#Text=ab cd ef\n" + "\n".join(lines) + "\n", SPAN + "|value")
    (doc,) = reading(path, "webanno", findings)
    assert tagged(doc) == expected
    assert [problem.kind for problem in findings.problems] == kinds


def test_parts_of_tokens_in_webanno(tmp_path):
    text = f"#Text={SMILE}ab cd\n1-1\t0-4\t{SMILE}ab\t_\t\n"
    text += "1-1.1\t2-4\tab\tA[1]\t\n1-2\t5-7\tcd\tA[1]\t\n"
    findings = Findings()
    (doc,) = reading(tsv(tmp_path, text, SPAN + "|value"), "webanno", findings)
    (problem,) = findings.problems
    assert (problem.kind, problem.start, problem.end) == ("not on tokens", 1, 6)
    assert tagged(doc) == f"{SMILE}ab/? cd/?"


def test_text_that_the_tokens_do_not_make_up(tmp_path):
    text = "#Text=other\n1-1\t0-2\tab\tA\t\n1-2\t2-4\tcd\t_\t\n1-3\t7-9\tef\t_\t\n"
    findings = Findings()
    (doc,) = reading(tsv(tmp_path, text, SPAN + "|value"), "webanno", findings)
    assert doc.text == "abcd ef"
    assert list(notes(findings)) == ["documents whose white space is known by its length alone"]
    text = "#Text=one\n1-1\t0-3\tone\tA\t\n\n#Text=two\n2-1\t3-6\ttwo\t_\t\n"
    (doc,) = reading(tsv(tmp_path, text, SPAN + "|value"), "webanno")
    assert (doc.text, tagged(doc)) == ("onetwo", "one/BA two/O")


SEVERAL = f"{SPAN}|value\n#T_SP=webanno.custom.Other|a|b\n#T_SP=webanno.custom.Plain|"
ROW = "1-1\t0-2\tab\tA\tx\ty\t*\t\n"


def test_layers_of_webanno(tmp_path):
    path = tsv(tmp_path, "#Text=ab\n" + ROW, SEVERAL)
    with pytest.raises(UserError, match=r"Several layers have annotations: .*Span, .*--layer"):
        reading(path, "webanno")
    findings = Findings()
    for layer, label in (("Span", "A"), ("webanno.custom.Plain", "Plain")):
        (doc,) = reading(path, "webanno", findings, layer)
        assert [ent.label_ for ent in doc.ents] == [label]
    assert notes(findings) == {OTHER_LAYERS: 4}
    with pytest.raises(UserError, match=r"layer webanno.custom.Other has several features: a, b"):
        reading(path, "webanno", layer="Other")
    with pytest.raises(UserError, match=r"There is no layer 'Entity', but: webanno.custom.Span"):
        reading(path, "webanno", layer="Entity")
    links = "webanno.custom.Host|ROLE_webanno.custom.Host:links_webanno.custom.L|webanno.custom.P"
    path = tsv(tmp_path, "#Text=ab\n1-1\t0-2\tab\tp1\t1-1\tA\t\n", f"{links}\n#T_SP={SPAN}|value")
    (doc,) = reading(path, "webanno")
    assert tagged(doc) == "ab/BA"


@pytest.mark.parametrize(
    "text, message",
    [
        ("Ada B-PER\n", "The first line is 'Ada B-PER', not #FORMAT=WebAnno TSV 3"),
        ("#FORMAT=WebAnno TSV 2.0\n", "not #FORMAT=WebAnno TSV 3"),
        ("#FORMAT=WebAnno TSV 3.2\n\n", "There are no tokens"),
        (HEADER.format(ENTITIES) + "1-1\t0-2\tab\t_\n", "Line 5 is .* no token with 2 columns"),
        (HEADER.format(ENTITIES) + "1-1\t0\tab\t_\t_\n", "Line 5 is"),
        (HEADER.format(ENTITIES) + "1-1\t0-2\t\t_\t_\n", "A token is empty"),
    ],
)
def test_what_is_no_webanno(text, message, tmp_path):
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(UserError, match=message):
        reading(tmp_path / "a.tsv", "webanno")


# UIMA CAS


def typesystem():
    types = cassis.TypeSystem()
    for name in (TOKEN_TYPE, SENTENCE_TYPE):
        types.create_type(name=name, supertypeName="uima.tcas.Annotation")
    about = types.create_type(name=METADATA_TYPE, supertypeName="uima.tcas.DocumentAnnotation")
    for feature in ("documentTitle", "documentId"):
        types.create_feature(about, feature, "uima.cas.String")
    for name, features in ((NAMED_ENTITY, ("value", "identifier")), (SPAN, ("kind",))):
        layer = types.create_type(name=name, supertypeName="uima.tcas.Annotation")
        for feature in features:
            types.create_feature(layer, feature, "uima.cas.String")
    return types


def cas_of(text, tokens=(), sentences=(), entities=(), layer=NAMED_ENTITY, title=None):
    types = typesystem()
    cas = cassis.Cas(typesystem=types)
    cas.sofa_string, cas.sofa_mime = text, "text/plain"
    for name, places in ((TOKEN_TYPE, tokens), (SENTENCE_TYPE, sentences)):
        cas.add_all([types.get_type(name)(begin=a, end=b) for a, b in places])
    label = "value" if layer == NAMED_ENTITY else "kind"
    for start, end, value in entities:
        cas.add(types.get_type(layer)(begin=start, end=end, **{label: value}))
    if title:
        cas.add(types.get_type(METADATA_TYPE)(begin=0, end=0, documentTitle=title))
    return cas


def saved(cas, folder):
    """The two files that INCEpTION exports of it."""
    folder.mkdir(exist_ok=True, parents=True)
    cas.to_xmi(folder / "a.xmi")
    cas.typesystem.to_xml(folder / "TypeSystem.xml")
    cas.to_json(folder / "a.json")
    return folder / "a.xmi", folder / "a.json"


WORDS = ["Ada", SMILE, "e\u0301", "don't", "日本", "."]


@st.composite
def texts(draw):
    """A text, its tokens, sentences and entities, which do not overlap."""
    text, tokens = "", []
    for word in draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8)):
        tokens.append((len(text), len(text) + len(word)))
        text += word + draw(st.sampled_from(["", " ", "  ", "\n"]))
    starts = sorted({0, *draw(st.sets(st.integers(0, len(tokens) - 1), max_size=2))})
    ends = [*starts[1:], len(tokens)]
    sentences = [(tokens[a][0], tokens[b - 1][1]) for a, b in zip(starts, ends)]
    entities, i = [], 0
    while i < len(tokens):
        end = draw(st.integers(i + 1, len(tokens)))
        label = draw(st.sampled_from([None, "PER", "a city"]))
        if label:
            entities.append((tokens[i][0], tokens[end - 1][1], label))
        i = end
    return text, tokens, sentences, entities


@settings(max_examples=60, deadline=None)
@given(texts(), st.sampled_from([NAMED_ENTITY, SPAN]))
def test_a_cas_in_xmi_and_in_json(tmp_path_factory, given_text, layer):
    text, tokens, sentences, entities = given_text
    cas = cas_of(text, tokens, sentences, entities, layer, "a.txt")
    for path in saved(cas, tmp_path_factory.mktemp("files")):
        findings = Findings()
        (doc,) = reading(path, "uima-cas", findings)
        assert not findings.problems and not notes(findings)
        assert doc.text == text
        assert [(e.start_char, e.end_char, e.label_) for e in doc.ents] == entities
        words = [token for token in doc if not token.is_space]
        assert [(t.idx, t.idx + len(t)) for t in words] == tokens
        assert all(token.ent_iob for token in doc)
        if len(sentences) > 1:
            begins = [token.idx for token in words if token.is_sent_start]
            assert begins == [start for start, _ in sentences]
        assert doc.user_data["id"] == "a.txt"


def test_a_cas_without_tokens_and_with_other_annotation(tmp_path):
    cas = cas_of("Ada met Bob.", entities=[(0, 3, "PER"), (8, 11, None)])
    cas.add(cas.typesystem.get_type(SPAN)(begin=4, end=7, kind="x"))
    cas.select(NAMED_ENTITY)[0].identifier = "Q1"
    for path in saved(cas, tmp_path):
        findings = Findings()
        (doc,) = reading(path, "uima-cas", findings)
        assert tagged(doc) == "Ada/BPER met/O Bob/? ./O"
        assert [problem.kind for problem in findings.problems] == ["no label"]
        assert notes(findings) == {
            OTHER_LAYERS: 1,
            "values of other features of entities left out": 1,
        }
        (doc,) = reading(path, "uima-cas", layer="Span")
        assert tagged(doc) == "Ada/O met/Bx Bob/O ./O"


def test_a_cas_that_can_not_be_read(tmp_path, monkeypatch):
    xmi, json_ = saved(cas_of("Ada", entities=[(0, 3, "PER")]), tmp_path)
    (tmp_path / "TypeSystem.xml").rename(tmp_path / "types.xml")
    (doc,) = reading(xmi, "uima-cas")
    assert tagged(doc) == "Ada/BPER"
    (tmp_path / "types.xml").unlink()
    with pytest.raises(UserError, match=r"a.xmi needs its type system: put the TypeSystem.xml"):
        reading(xmi, "uima-cas")
    cassis.TypeSystem().to_xml(tmp_path / "TypeSystem.xml")
    with pytest.raises(UserError, match=r"is no UIMA CAS of the types of TypeSystem.xml: .*Named"):
        reading(xmi, "uima-cas")
    (tmp_path / "TypeSystem.xml").write_text("<typeSystemDescription")
    with pytest.raises(UserError, match=r"TypeSystem.xml is no type system"):
        reading(xmi, "uima-cas")
    json_.write_text("{")
    with pytest.raises(UserError, match=r"a.json is no UIMA CAS in JSON"):
        reading(json_, "uima-cas")
    cas = cassis.Cas(typesystem=typesystem())
    cas.to_json(json_)
    with pytest.raises(UserError, match=r"a.json has no text"):
        reading(json_, "uima-cas")
    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'pip install "spacy-bilstm-crf\[inception\]"'):
        reading(json_, "uima-cas")
