"""Annotators in files of each tool, and which of their texts belong together."""

import json

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.entity_source import DOC_ENTS, EntitySource
from spacy_bilstm_crf.data.formats import DocSettings, Findings, FormatSettings
from spacy_bilstm_crf.data.formats.docs import docs_of
from spacy_bilstm_crf.data.formats.records import RawMention, Record
from spacy_bilstm_crf.workflows import agreement
from spacy_bilstm_crf.workflows.agreement.reading import (
    notes_of,
    read_annotators,
    shared_texts,
)
from tests.workflows.agreement.files import (
    ADA,
    BEA,
    TEXTS,
    brat,
    doccano,
    label_studio,
    prodigy,
    region,
    written,
)

SETTINGS = FormatSettings(docs=DocSettings("trim", splits_tokens=True), by_annotator=True)
NLP = spacy.blank("en")


def entities(annotation):
    return [(m.start_char, m.end_char, m.label) for m in annotation.mentions]


def read(files, source=None, where=DOC_ENTS, skip_empty=False, settings=SETTINGS):
    """What each annotator has said of each shared text, and the notes."""
    given = read_annotators(files, source, settings)
    texts, _ = shared_texts(given, where, skip_empty)
    said = [
        (text.text, {who: entities(each) for who, each in text.annotations.items()})
        for text in texts
    ]
    return said, notes_of(given.findings)


def expected(one="ada", other="bea"):
    return [(text, {one: a, other: b}) for text, a, b in zip(TEXTS, ADA, BEA)]


def test_label_studio_has_several_annotations_of_a_task(tmp_path):
    said, _ = read(label_studio(tmp_path / "ls.json", ada=ADA, bea=BEA), "label-studio")
    assert said == expected()
    cleo = [None, [], None]  # has seen one text
    said, _ = read(label_studio(tmp_path / "ls.json", ada=ADA, bea=BEA, cleo=cleo), "label-studio")
    assert [len(each) for _, each in said] == [2, 3, 2]


def test_label_studios_json_min_has_a_task_for_each_annotation(tmp_path):
    tasks = []
    for who, spans in (("ada", ADA), ("bea", BEA)):
        for i, (text, of_text) in enumerate(zip(TEXTS, spans)):
            regions = [region(text, *span)["value"] for span in of_text]
            about = {"id": i, "annotator": who, "annotation_id": len(tasks)}
            tasks.append({"text": text, "label": regions, **about})
    (tmp_path / "min.json").write_text(json.dumps(tasks))
    assert read(tmp_path / "min.json", "label-studio")[0] == expected()


def test_prodigy_has_a_task_for_each_session(tmp_path):
    said, _ = read(prodigy(tmp_path / "db.jsonl", ada=ADA, bea=BEA), "prodigy")
    assert said == expected("names-ada", "names-bea")


def test_doccano_has_a_file_for_each_user(tmp_path):
    paths = [
        doccano(tmp_path / f"{who}.jsonl", spans) for who, spans in (("ada", ADA), ("bea", BEA))
    ]
    assert read(paths, "doccano")[0] == expected()
    said, notes = read(tmp_path, "doccano")  # the folder of both
    assert said == expected()
    (note,) = [note for note in notes if "without an entity" in note]
    assert note.startswith("2 documents") and "--skip-empty" in note
    said, notes = read(paths, "doccano", skip_empty=True)
    assert said == [expected()[0], expected()[2]]
    assert [note for note in notes if "without an entity" in note] == [
        "2 documents without an entity left out (--skip-empty)"
    ]


def test_brat_has_a_folder_for_each_annotator(tmp_path):
    folders = [brat(tmp_path / who, spans) for who, spans in (("ada", ADA), ("bea", BEA))]
    assert read(folders, "brat")[0] == expected()
    assert read(tmp_path, "brat")[0] == expected()


def test_the_format_is_detected(tmp_path):
    assert read(label_studio(tmp_path / "ls.json", ada=ADA, bea=BEA))[0] == expected()
    brats = [brat(tmp_path / "brat" / who, spans) for who, spans in (("ada", ADA), ("bea", BEA))]
    assert read(brats)[0] == read(tmp_path / "brat")[0] == expected()
    (tmp_path / "doccano").mkdir()
    for who, spans in (("ada", ADA), ("bea", BEA)):
        doccano(tmp_path / "doccano" / f"{who}.jsonl", spans)
    assert read(tmp_path / "doccano")[0] == expected()


def test_hugging_face_has_a_folder_for_each_annotator(tmp_path):
    for who, tags in (("ada", [1, 2, 0]), ("bea", [1, 0, 0])):
        (tmp_path / who).mkdir()
        lines = [{"tokens": ["Ada", "Khan", "left"], "ner_tags": tags}]
        written(tmp_path / who / "train.jsonl", lines)
    settings = SETTINGS._replace(labels=("O", "B-PER", "I-PER"))
    files = [tmp_path / "ada", tmp_path / "bea"]
    said, _ = read(files, "hugging-face", settings=settings)
    assert said == [("Ada Khan left ", {"ada": [(0, 8, "PER")], "bea": [(0, 3, "PER")]})]


def test_inception_has_several_layers(tmp_path):
    head = "#FORMAT=WebAnno TSV 3.3\n#T_SP=webanno.custom.Span|value\n#T_SP=webanno.custom.Plain|\n"
    for who, label in (("ada", "PER"), ("bea", "ORG")):
        text = f"{head}\n\n#Text=Ada\n1-1\t0-3\tAda\t{label}\t*\t\n"
        (tmp_path / f"{who}.tsv").write_text(text, encoding="utf8")
    files = [tmp_path / "ada.tsv", tmp_path / "bea.tsv"]
    with pytest.raises(UserError, match=r"Several layers have annotations.*--layer"):
        agreement(files, lang="en")
    for layer, agreed in (("Span", 0.0), ("Plain", 1.0)):
        overall = agreement(files, lang="en", layer=layer).numbers["overall"]
        assert overall["strict"]["value"] == agreed


def test_docs_know_their_annotator_or_their_file_does(tmp_path):
    def docs(spans, who=None):
        for text, of_text in zip(TEXTS, spans):
            doc = NLP.make_doc(text)
            doc.set_ents([doc.char_span(*span) for span in of_text], default="outside")
            if who is not None:
                doc.user_data["annotator"] = who
            yield doc

    both = DocBin(docs=[*docs(ADA, "ada"), *docs(BEA, "bea")], store_user_data=True)
    both.to_disk(tmp_path / "both.spacy")
    assert read([tmp_path / "both.spacy"], "spacy")[0] == expected()
    for who, spans in (("a", ADA), ("b", BEA)):
        (tmp_path / who).mkdir()
        DocBin(docs=docs(spans, "1"), store_user_data=True).to_disk(tmp_path / who / "x.spacy")
    paths = [tmp_path / who / "x.spacy" for who in "ab"]
    # Who is called 1 in both files need not be the same
    assert read(paths, "spacy")[0] == expected(*(str(path.with_suffix("")) for path in paths))
    assert read({"ada": docs(ADA), "bea": docs(BEA)})[0] == expected()
    DocBin(docs=docs(BEA)).to_disk(tmp_path / "bea.spacy")
    assert read({"ada": docs(ADA), "bea": tmp_path / "bea.spacy"})[0] == expected()
    with pytest.raises(UserError, match="must be a path or spaCy docs, but contain a int"):
        read({"ada": [3], "bea": docs(BEA)})


def test_tokens_are_split_where_an_annotator_ends_within_one(tmp_path):
    text = "Londoners left"
    results = [
        [region(text, 0, 6, "CITY")],
        [region(text, 0, 9, "PEOPLE")],
        [region(text, 0, 7, "CITY")],
    ]
    tasks = [
        {
            "data": {"text": text},
            "annotations": [
                {"completed_by": who, "result": result} for who, result in enumerate(results)
            ],
        }
    ]
    given = read_annotators(written(tmp_path / "ls.json", tasks), "label-studio", SETTINGS)
    ((shared,), _) = shared_texts(given, DOC_ENTS, False)
    assert [entities(each) for each in shared.annotations.values()] == [
        [(0, 6, "CITY")],
        [(0, 9, "PEOPLE")],
        [(0, 7, "CITY")],
    ]
    keys = [each.mentions[0].key[:2] for each in shared.annotations.values()]
    assert keys == [(0, 1), (0, 3), (0, 2)]
    assert [len(each.known) for each in shared.annotations.values()] == [4, 4, 4]
    assert not given.findings.problems


@given(st.text("ab .\n\u00e9\U0001f600", min_size=1, max_size=12), st.data())
def test_every_part_of_a_text_can_be_an_entity(text, data):
    """But for blanks at its edges, and wherever the tokenizer would end its tokens."""
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    record = Record("place", text, entities=(RawMention(((start, end),), "A"),))
    findings = Findings()
    (doc,) = docs_of([record], SETTINGS, findings)
    assert doc.text == text
    part = text[start:end].strip()
    if part:
        first = start + text[start:end].index(part)
        assert [(e.start_char, e.end_char) for e in doc.ents] == [(first, first + len(part))]
        assert not findings.problems and all(token.ent_iob for token in doc)
    else:
        assert len(findings.problems) == 1 and not doc.ents


def test_what_can_not_be_read_is_unknown_and_said(tmp_path):
    path = label_studio(tmp_path / "ls.json", ada=ADA, bea=BEA)
    path.write_text(path.read_text().replace('"text": "Rome"', '"text": "Paris"', 1))
    given = read_annotators(path, "label-studio", SETTINGS)
    (problem,) = given.findings.problems
    assert problem.kind == "other text than quoted"
    texts, _ = shared_texts(given, DOC_ENTS, False)
    assert [text.text for text in texts] == TEXTS[1:]  # of the first nothing is known
    (note,) = [note for note in notes_of(given.findings) if "problems" in note]
    assert "1 other text than quoted" in note and "'Paris'" in note


def doc_of(text, *spans, id_=None, missing=False):
    doc = NLP.make_doc(text)
    ents = [doc.char_span(*span) for span in spans]
    doc.set_ents(ents, default="missing" if missing else "outside")
    if id_ is not None:
        doc.user_data["id"] = id_
    return doc


def test_the_same_text_twice_is_matched_by_id():
    a, b = (0, 3, "A"), (0, 3, "B")
    ada = [doc_of("yes", a, id_="1"), doc_of("yes", id_="2")]
    bea = [doc_of("yes", b, id_="2"), doc_of("yes", a, id_="1"), doc_of("yes", id_="3")]
    said, notes = read({"ada": ada, "bea": bea})
    assert said == [("yes", {"ada": [a], "bea": [a]}), ("yes", {"ada": [], "bea": [b]})]
    assert notes == []


def test_ids_of_other_projects_do_not_matter():
    a = (0, 3, "A")
    said, notes = read({"ada": [doc_of("yes", a, id_="1")], "bea": [doc_of("yes", id_="7")]})
    assert said == [("yes", {"ada": [a], "bea": []})] and notes == []


def test_the_same_text_twice_without_ids_is_matched_by_order():
    a, b = (0, 3, "A"), (0, 3, "B")
    said, notes = read({"ada": [doc_of("yes", a), doc_of("yes")], "bea": [doc_of("yes", b)]})
    assert said == [("yes", {"ada": [a], "bea": [b]})]
    assert len(notes) == 1 and notes[0].startswith("1 texts") and "order" in notes[0]


def test_the_last_annotation_of_the_same_document_counts():
    a, b = (0, 3, "A"), (0, 3, "B")
    ada = [doc_of("yes", a, id_="1"), doc_of("yes", b, id_="1")]
    said, notes = read({"ada": ada, "bea": [doc_of("yes", id_="1")]})
    assert said == [("yes", {"ada": [b], "bea": []})]
    assert len(notes) == 1 and notes[0].startswith("1 documents") and "again" in notes[0]


def test_tokens_of_all_annotators_and_what_they_know():
    one = Doc(NLP.vocab, words=["New", "York", "City"], ents=["B-A", "I-A", ""])
    other = Doc(NLP.vocab, words=["New York", "City"])
    other.set_ents([Span(other, 1, 2, "A")], default="outside")
    given = read_annotators({"one": [one], "other": [other]}, None, SETTINGS)
    ((shared,), _) = shared_texts(given, DOC_ENTS, False)
    known = {who: each.known.tolist() for who, each in shared.annotations.items()}
    assert known == {"one": [True, True, False], "other": [True] * 3}
    keys = {who: [m.key for m in each.mentions] for who, each in shared.annotations.items()}
    assert keys == {"one": [(0, 2, "A")], "other": [(2, 3, "A")]}


def test_who_has_annotated_nothing_is_named():
    docs = {"ada": [doc_of("a")], "bea": [doc_of("a")], "cleo": [NLP("a"), NLP("b")]}
    said, notes = read(docs)
    assert said == [("a", {"ada": [], "bea": []})]
    assert notes == ["2 documents of cleo, of which none is annotated in doc.ents: not compared"]


def test_entities_that_overlap():
    docs = {}
    for who, spans in (("ada", [(0, 7, "A"), (4, 7, "B")]), ("bea", [(0, 7, "A")])):
        doc = NLP.make_doc("New Ely")
        doc.spans["sc"] = [doc.char_span(*span) for span in spans]
        docs[who] = [doc]
    said, _ = read(docs, where=EntitySource("sc"))
    assert said == [("New Ely", {"ada": [(0, 7, "A"), (4, 7, "B")], "bea": [(0, 7, "A")]})]


def test_entities_that_overlap_in_a_file(tmp_path):
    ada = [[(0, 8, "PERSON"), (4, 8, "FAMILY")], [], []]
    path = label_studio(tmp_path / "ls.json", ada=ada, bea=BEA)
    found = agreement(path, source="label-studio", spans_key="sc")
    assert found.numbers["pairs"][0]["entities"] == [2, 3]
    found = agreement(path, source="label-studio")
    assert found.numbers["pairs"][0]["entities"] == [0, 2]  # of one text these are left out
    assert any("1 overlapping" in note for note in found.notes)


@pytest.mark.parametrize(
    "docs, said",
    [
        ({"ada": [doc_of("a", (0, 1, "A"))]}, "by one annotator alone, ada: name a file"),
        ({}, "by no annotator"),
        (
            {"ada": [doc_of("a")], "bea": [doc_of("b")]},
            "No text was annotated by two of ada, bea.",
        ),
        (
            {"ada": [doc_of("a b", id_="1")], "bea": [doc_of("a  b", id_="1")]},
            "The id '1' is that of 'a b' by ada, and of 'a  b' by bea.",
        ),
        (
            {"ada": [doc_of("a")], "bea": [NLP("a")], "cleo": [NLP("a")]},
            "bea, cleo: no document is annotated in doc.ents",
        ),
    ],
)
def test_nothing_to_compare(docs, said):
    with pytest.raises(UserError) as error:
        agreement(docs)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_no_token_that_both_know():
    one = Doc(NLP.vocab, words=["a", "b"], ents=["B-A", ""])
    other = Doc(NLP.vocab, words=["a", "b"], ents=["", "B-A"])
    with pytest.raises(UserError, match="No token was annotated by two annotators"):
        agreement({"one": [one], "other": [other]})


def test_paths_that_can_not_be_used(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    path = label_studio(tmp_path / "ls.json", ada=ADA, bea=BEA)
    notes, unknown = tmp_path / "b.conll", tmp_path / "c.json"
    notes.write_text("Ada B-PER\nsaw O\n")
    unknown.write_text('{"a": 1}')
    for files, source, said in (
        ([tmp_path / "no.json"], "label-studio", "no.json"),
        ([path, path], "label-studio", "is given 2 times"),
        ([path], "brat", "is a file, but brat has folders"),
        ([path], "prodigy", "This looks like label-studio"),
        ([path], "excel", "excel: it must be one of"),
        ([path, notes], None, "looks like label-studio, and .* like conll: name the format of all"),
        ([unknown], None, "--from"),
        ([], "brat", "There is no file to read"),
        ([folder], "conll", "contains no conll file"),
    ):
        with pytest.raises(UserError, match=said):
            agreement(files, source=source)
    with pytest.raises(UserError, match="--labels: label-studio has no integers to name"):
        agreement([path], labels=["O"])
    with pytest.raises(UserError, match="--kappa is of tokens with one label"):
        agreement([path], source="label-studio", kappa=True, spans_key="sc")
