"""Files as people have them, and what must come of each: a table.

A doc is written as its tokens with their tags, and `?` where nothing is known. Files in `cases` are
of the shapes that tools and data sets on the web have; the rest is short enough to be here.
"""

import json
import re
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import ColumnSettings
from spacy_bilstm_crf.workflows import convert

VOCAB = spacy.blank("en").vocab
CASES = Path(__file__).parent / "cases"


def tagged(doc):
    """A doc in one line, from its tokens and not from `doc.ents`."""
    tags = [f"{token.ent_iob_ or '?'}-{token.ent_type_}".rstrip("-") for token in doc]
    return " ".join(f"{token.text}/{tag}" for token, tag in zip(doc, tags))


def columns(**settings):
    return {"columns": ColumnSettings(**settings)}


def converted(path, folder, source, **options):
    """The docs in one line each, and the notes and problems."""
    said = []
    arguments = {"lang": "en", "source": source, "on_progress": said.append, **options}
    result = convert(path, folder / "out.spacy", **arguments)
    docs = DocBin().from_disk(folder / "out.spacy").get_docs(VOCAB)
    problems = [f"{one.kind}: {one.message}" for one in result.findings.problems]
    return [tagged(doc) for doc in docs], [*said, *problems]


def lines(*values):
    return "\n".join(map(json.dumps, values)) + "\n"


ADA_SANG = ["Ada/B-PER sang/O in/O Rome/B-LOC ./O"]
MISSING = {"on_problem": "missing"}
WIKINEURAL = ["Ada/B-PER met/O Bob/B-PER Lee/I-PER ./O", "Rome/B-LOC fell/O ./O"]
KAGGLE = ["Ada/B-per met/O ,/O Bob/B-per", "Rome/B-geo fell/O"]
HTML = "</? p/? >/? Ada/? sang.</p/? >/?"
TEACH = "Ada/B-PER met/? Bob/? in/? Rome/? ./?"


@pytest.mark.parametrize(
    "name, source, options, expected",
    [
        ("index_column.conllu", "conll", columns(word=1), WIKINEURAL),
        (
            "docstart_in_word_column.conllu",
            "conll",
            columns(word=1),
            ["Ada/B-PER sang/O", "Rome/B-LOC"],
        ),
        ("prodigy_teach_without_view.jsonl", "prodigy", {}, [TEACH]),
        (
            "nested_columns.tsv",
            "conll",
            columns(word=1, tag=2, comment="#"),
            ["Ada/B-PER Lee/I-PER"],
        ),
        ("nested_columns.tsv", "conll", columns(word=1, tag=3, comment="#"), ["Ada/O Lee/B-LOC"]),
        (
            "hash_token_lost.conll",
            "conll",
            columns(comment="# "),
            ["the/O c/B-Software #/I-Software code/O", "bob/B-PER"],
        ),
        ("tags_of_several_labels.conll", "conll", MISSING, ["Ada/? sang/O"]),
        ("kaggle_csv.csv", "conll", columns(separator=",", word=1, comment="Sentence #"), KAGGLE),
        ("kaggle_csv.csv", "conll", columns(word=1), KAGGLE),
        ("kaggle_csv.csv", "conll", {}, KAGGLE),
        ("blank_in_word.conll", "conll", {}, ["New York/B-LOC fell/O"]),
        ("bmes.txt", "conll", {}, ["张/B-NAME 三/I-NAME 在/O 北/B-LOC 京/I-LOC 市/I-LOC"]),
        ("conllu_misc.conllu", "conll", columns(word=1, comment="#"), ["Ada/B-PER sang/O"]),
        ("text_entities.jsonl", "doccano", {}, ADA_SANG),
        ("json_not_lines.json", "doccano", {}, ["Ada/B-PER sang/O ./O"]),
        ("edge_white_space.jsonl", "doccano", {"on_problem": "trim"}, ADA_SANG),
        ("hf_tokens.jsonl", "hugging-face", {}, ["Ada/B-PER sang/O in/O Rome/B-LOC"]),
        ("spacy_v2_tuples.json", "spacy-v2", {}, ADA_SANG),
        ("ner_annotator.json", "ner-annotator", {}, ["Ada/B-PER sang/O ./O"]),
        ("dataturks.jsonl", "dataturks", {}, ["Ada/B-PER sang/O ./O"]),
        ("rasa.yml", "rasa", {}, ["fly/O to/O Rome/B-city"]),
        ("labelstudio_csv.csv", "label-studio", {}, ["Ada/B-PER sang/O ./O"]),
        ("prodigy_meta_id.jsonl", "prodigy", {}, ["Ada/O sang/O ./O", "Bob/O ran/O ./O"]),
        ("labelstudio_hypertext.json", "label-studio", MISSING, [HTML]),
        (
            "latin1.csv",
            "conll",
            {"encoding": "latin-1", **columns(word=1)},
            ["José/B-per met/O"],
        ),
    ],
)
def test_files_that_can_be_read(name, source, options, expected, tmp_path):
    assert converted(CASES / name, tmp_path, source, **options)[0] == expected


EVERY = ("prodigy", "doccano", "label-studio", "conll", "brat", "spacy")
OTHERS = tuple(name for name in EVERY if name != "label-studio")


@pytest.mark.parametrize(
    "name, sources, options, message",
    [
        ("index_column.conllu", ["conll"], {}, r"column 0 counts 0, 1, 2, .*--word-column 1"),
        (
            "docstart_in_word_column.conllu",
            ["conll"],
            {},
            r"column 0 counts 0, 0, .*--word-column 1",
        ),
        ("prodigy_textcat.jsonl", ["prodigy"], {}, "1 docs, but no entity in any of them"),
        (
            "labelstudio_hypertext.json",
            ["label-studio"],
            {},
            "not in the text. The offsets of hypertextlabels 'Ada'",
        ),
        ("nested_columns.tsv", ["conll"], columns(comment="#"), "column 0 counts 1, 2"),
        (
            "nested_columns.tsv",
            ["conll"],
            columns(comment="#", word=1),
            "columns 2, 3 all have tags of entities.*--tag-column 2",
        ),
        ("tags_of_several_labels.conll", ["conll"], {}, "'Ada' is tagged B-PER,B-ORG"),
        (
            "kaggle_csv.csv",
            ["conll"],
            columns(word=-4),
            "column -4 is empty on most lines.*--word-column 1",
        ),
        ("edge_white_space.jsonl", ["doccano"], {}, "--on-problem trim cuts off blanks"),
        ("hf_tokens.jsonl", EVERY, {}, "looks like hugging-face: .*--from hugging-face"),
        ("spacy_v2_tuples.json", EVERY, {}, "looks like spacy-v2: .*--from spacy-v2"),
        ("ner_annotator.json", EVERY, {}, "looks like ner-annotator: .*--from ner-annotator"),
        ("dataturks.jsonl", EVERY, {}, "looks like dataturks: .*--from dataturks"),
        ("rasa.yml", EVERY, {}, "looks like rasa: .*--from rasa"),
        ("labelstudio_csv.csv", OTHERS, {}, "looks like label-studio: .*--from label-studio"),
        ("text_entities.jsonl", ["prodigy"], {}, "looks like doccano: .*--from doccano"),
        ("json_not_lines.json", ["conll"], {}, "looks like doccano: .*--from doccano"),
        ("bmes.txt", ["doccano"], {}, "looks like conll: .*--from conll"),
        ("latin1.csv", ["conll"], columns(word=1), "is not UTF-8.*--encoding cp1252"),
        ("bmes.txt", ["conll"], {"encoding": "ascii"}, "is not text in the encoding ascii"),
        ("bmes.txt", ["conll"], {"encoding": "no-such"}, "--encoding no-such: there is no"),
        ("bmes.txt", ["conll"], {"encoding": "hex"}, "--encoding hex: there is no"),
    ],
)
def test_files_that_are_refused_in_one_line(name, sources, options, message, tmp_path):
    for source in sources:
        with pytest.raises(UserError, match=message) as caught:
            converted(CASES / name, tmp_path, source, **options)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out.spacy").exists()


ONTONOTES = "bc/cctv 0 0 Ada B-PER\nbc/cctv 0 1 met O\nbc/cctv 0 2 Bob B-PER\n"


@pytest.mark.parametrize(
    "text, options, expected",
    [
        # What words and tags are
        (ONTONOTES + "\n" + ONTONOTES, {}, "column 0 has 'bc/cctv' on every line"),
        ("Ada U-PER\nAda O\nAda -\n", columns(scheme="biluo"), ["Ada/B-PER Ada/O Ada/?"]),
        ("1 2\n2 O\n", {}, "column 0 counts"),
        ("1 Ada B-PER\n\n1 Bob B-PER\n", {}, "column 0 counts"),
        ("B-PER\tAda\nO\tmet\nO\tBob\n", columns(word=0, tag=0), "column 0 has tags"),
        ("B-PER\tAda\nO\tmet\n", {}, "Column 0 has tags: --tag-column 0"),
        ("Ada B-PER I-PER\nmet O O\n", {}, "columns 1, 2 all have tags"),
        ("Ada B-NP B-PER\nmet B-VP O\n", {}, ["Ada/B-PER met/O"]),  # chunks
        ("Ada O\nmet O\n", {}, "1 docs, but no entity in any of them"),
        ("a - (PER*\nb - *)\n", {}, "brackets of OntoNotes"),
        # All words on one line
        (
            "Ada|NN|B-PER met|VB|O\nBob|NN|B-PER met|VB|O\n",
            {},
            ["Ada/B-PER met/O", "Bob/B-PER met/O"],
        ),
        ("Ada|B-PER met|O\n\n", columns(separator="|"), ["Ada/B-PER met/O"]),
        ("a||B-PER |||O\n", {}, ["a/B-PER |/O"]),
        ("Ada|NN|B-PER met|VB\n" + "Bob|NN|B-PER met|VB|O\n" * 9, {}, "has 2 columns, but most"),
        ("Ada B-PER\nmet O\nit O\na|NN|B-PER met|VB|O\n", {}, "on one line, unlike most lines"),
        # Tags without a prefix
        ("Ada PER\nLee PER\nmet O\nBob PER\n", {}, ["Ada/B-PER Lee/I-PER met/O Bob/B-PER"]),
        ("Ada PER\nRome LOC\nmet O\n? ?\n", {}, ["Ada/B-PER Rome/B-LOC met/O ?/?"]),
        ("Ada PER\nLee PER\nmet O\n", columns(scheme="iob2"), "tagged I-PER I-PER, which is no"),
        ("Ada B_PER\nmet O\n", {}, "must be a word and its tag"),
        ("Ada PER-B\nmet O\n", {}, "must be a word and its tag"),
        ("Ada B\nLee I\nmet O\n", {}, "must be a word and its tag"),
        ("Ada NNP\nmet VBD\n", {}, "must be a word and its tag"),
        # What a header names
        ("n,Tag,Word\n1,B-PER,Ada\n2,O,met\n", columns(separator=","), ["Ada/B-PER met/O"]),
        ("Tag,Word\nB-PER,Ada\n", columns(separator=",", word=1, tag=0), ["Ada/B-PER"]),
        (
            "Sentence #,Word,Tag\n1,Ada,PER\n1,met,O\n2,Bob,PER\n2,ran,O\n",
            columns(separator=","),
            ["Ada/B-PER met/O", "Bob/B-PER ran/O"],
        ),
        # What parts words
        ("New York\tB-LOC\nfell\tO\n", {}, ["New York/B-LOC fell/O"]),
        ("New York B-LOC\nfell O\nit O\n", {}, "has 3 columns, but most lines have 2"),
        ("\tO\nAda\tB-PER\n\tI-PER\nmet\tO\n", {}, ["Ada/B-PER met/O"]),
        ("Ada\tO\n\tB-PER\n", {}, "no word. There is no word that is tagged B-PER"),
        ("Ada\tB-PER\n\t\nBob\tO\n", {}, ["Ada/B-PER", "Bob/O"]),
        ('",",O\n",O\nAda,B-PER\n', columns(separator=","), [',/O "/O Ada/B-PER']),
        # Comments, headers and documents
        ("# one\n# O\nAda B-PER\n", columns(comment="#"), ["#/O Ada/B-PER"]),
        ("# a = O\nAda x y B-PER\n", columns(comment="#"), ["Ada/B-PER"]),
        ("word\tner\nAda\tB-PER\n", {}, ["Ada/B-PER"]),
        (
            "-DOCSTART- -X- O\n\nAda -X- _ B-PER\nran -X- _ O\n\nBob -X- _ B-PER\n",
            {},
            ["Ada/B-PER ran/O", "Bob/B-PER"],
        ),
        ("-DOCSTART- O\n\nAda B-PER\n\nBob B-PER\n", {}, ["Ada/B-PER Bob/B-PER"]),
        # Line ends and byte order marks, as programs and `cat` leave them
        ("Ada B-PER\r\r\nmet O\r\r\n\r\r\nBob B-PER\r\r\n", {}, ["Ada/B-PER met/O", "Bob/B-PER"]),
        ("Ada B-PER\rmet O\r\rBob B-PER\r", {}, ["Ada/B-PER met/O", "Bob/B-PER"]),
        ("Ada B-PER\r\nmet O\n\r\n\nBob B-PER", {}, ["Ada/B-PER met/O", "Bob/B-PER"]),
        ("Ada B-PER\nmet O\n\n\ufeffBob B-PER\n", {}, ["Ada/B-PER met/O", "Bob/B-PER"]),
        ("\ufeff B-X\nAda I-X\n\ufeff I-X\nb O\n", {}, ["\ufeff/B-X Ada/I-X \ufeff/I-X b/O"]),
        ("\ufeff\nAda B-X\n\ufeff\nb O\n", {}, ["Ada/B-X", "b/O"]),
        (
            "-DOCSTART- O\n\nAda B-PER\n\n\ufeff-DOCSTART- O\n\nBob B-PER\n",
            {},
            ["Ada/B-PER", "Bob/B-PER"],
        ),
        ("1-2 du _ O\n1 de _ O\n2 le _ B-X\n", columns(word=1), ["de/O le/B-X"]),
        ("1-2 du _ O\n3 Ada _ B-X\n", columns(word=1), ["du/O Ada/B-X"]),  # not most are numbers
        ("1-2 du O\n", columns(word=1), "data.conll: 1 docs, but no entity"),
        ("1 Ada name=B-X\n2 b _\n", columns(word=1), ["Ada/B-X b/O"]),
        ("1 Ada name=B-X\n2 b name=O\n3 c _\n", columns(word=1), ["Ada/B-X b/O c/?"]),
        ("a B-X|B-X\nb O|B-X\n", MISSING, ["a/? b/?"]),
        ("a B-X|B-X\nb O|O\n", {}, ["a/B-X b/O"]),
        # Lines that are wrong
        ("Ada B-PER\nmet\n\nBob B-PER\n", {"on_problem": "skip"}, ["Bob/B-PER"]),
        ("Ada B-PER\nmet X\n\nBob B-PER\n", MISSING, ["Ada/? met/?", "Bob/B-PER"]),
        ("Ada b-per\nmet b-per\n", {}, r":1: 'Ada b-per' must .* The same goes for the 1 other"),
        ("Ada B-PER\nmet O\nBob I-PER\n", {}, "add --scheme iob1"),
    ],
)
def test_columns(text, options, expected, tmp_path):
    (tmp_path / "data.conll").write_text(text, encoding="utf8")
    arguments = (tmp_path / "data.conll", tmp_path, "conll")
    if isinstance(expected, list):
        assert converted(*arguments, **options)[0] == expected
        return
    with pytest.raises(UserError, match=expected):
        converted(*arguments, **options)


def test_an_empty_line_after_every_word_is_said(tmp_path):
    (tmp_path / "data.conll").write_text("Ada B-PER\n\nmet O\n\nBob B-PER\n")
    _, said = converted(tmp_path / "data.conll", tmp_path, "conll")
    assert said == ["3 sentences of one word each: is there an empty line after every word?"]


TEXT = "Ada met Bob in Rome."
ADA = {"start": 0, "end": 3, "label": "PER"}
NOTHING = "Ada/? met/? Bob/? in/? Rome/? ./?"
ONLY_ADA = "Ada/B-PER met/? Bob/? in/? Rome/? ./?"
COMPLETE = "Ada/B-PER met/O Bob/O in/O Rome/O ./O"


def task(*spans, **keys):
    return {"text": TEXT, "answer": "accept", "spans": list(spans), **keys}


@pytest.mark.parametrize(
    "value, expected",
    [
        (task(ADA), COMPLETE),
        (task(ADA, _view_id="ner_manual"), COMPLETE),
        (task(ADA, _view_id="spans_manual", label="x"), COMPLETE),
        (task(ADA, _view_id="ner"), ONLY_ADA),
        (task(ADA, _view_id="relations"), ONLY_ADA),
        (task({**ADA, "rank": 0, "score": 0.5}), ONLY_ADA),
        (task({**ADA, "source": "en_core_web_sm", "input_hash": 1}), ONLY_ADA),
        (task({**ADA, "pattern": 7, "priority": 1}), ONLY_ADA),
        (task(ADA, meta={"score": 0.5}), ONLY_ADA),
        (task(ADA, meta={"pattern": 7}), ONLY_ADA),
        (task({**ADA, "score": 0.5}, _is_binary=False), COMPLETE),
        (task(ADA, label="SPORTS"), NOTHING),
        (task(ADA, options=[{"id": 1}], accept=[1]), NOTHING),
        (task(ADA, _view_id="classification", label="x"), NOTHING),
        (task(_view_id="choice"), NOTHING),
        ({"text": TEXT, "answer": "accept"}, NOTHING),
        ({"text": TEXT, "answer": "accept", "spans": None}, NOTHING),
    ],
)
def test_what_prodigy_says_of_a_text(value, expected, tmp_path):
    other = task(ADA, text="Ada ran.", _view_id="ner_manual")
    path = tmp_path / "data.jsonl"
    path.write_text(lines(value, other))
    docs, said = converted(path, tmp_path, "prodigy")
    assert docs == [expected, "Ada/B-PER ran/O ./O"]
    assert any("unknown" in line for line in said) == (expected != COMPLETE)


def region(kind="labels", labels=("PER",), **keys):
    value = {"start": 0, "end": 3, "text": "Ada", "labels": list(labels)}
    return {"type": kind, "from_name": "label", "to_name": "text", "value": value, **keys}


CHOICES = {"type": "choices", "from_name": "c", "to_name": "text", "value": {"choices": ["x"]}}
IMAGE = {"type": "rectanglelabels", "to_name": "image", "value": {"rectanglelabels": ["PER"]}}


@pytest.mark.parametrize(
    "results, expected, said",
    [
        ([[region()]], COMPLETE, None),
        ([[region(to_name=["text"])]], COMPLETE, None),
        ([[]], "Ada/O met/O Bob/O in/O Rome/O ./O", None),
        ([[region(), CHOICES]], COMPLETE, "1 regions of type 'choices' left out"),
        ([[CHOICES]], NOTHING, "1 regions of type 'choices' left out"),
        ([[IMAGE]], NOTHING, "1 regions of type 'rectanglelabels' left out"),
        ([[CHOICES], [region()]], COMPLETE, "1 regions of type 'choices' left out"),
        ([[region("hypertextlabels")]], NOTHING, "not in the text: .* hypertextlabels 'Ada'"),
        ([[region("paragraphlabels")]], NOTHING, "not in the text: .* paragraphlabels 'Ada'"),
        ([[region(), region("hypertextlabels")]], ONLY_ADA, "not in the text"),
    ],
)
def test_what_label_studio_says_of_a_text(results, expected, said, tmp_path):
    for key in ("annotations", "completions"):
        value = {"data": {"text": TEXT}, key: [{"result": one} for one in results]}
        other = {"data": {"text": "Ada ran."}, key: [{"result": [region()]}]}
        path = tmp_path / "data.json"
        path.write_text(json.dumps([value, other]))
        options = {"on_problem": "missing", "force": True}
        docs, found = converted(path, tmp_path, "label-studio", **options)
        assert docs == [expected, "Ada/B-PER ran/O ./O"]
        assert said is None or any(re.match(said, line) for line in found)


def test_json_min_of_another_kind_than_entities_is_not_annotated(tmp_path):
    path = tmp_path / "data.json"
    path.write_text(json.dumps([{"text": TEXT, "sentiment": "good", "annotation_id": 1}]))
    with pytest.raises(UserError, match="1 docs, but no entity in any of them"):
        converted(path, tmp_path, "label-studio")


def test_one_bad_line_is_a_problem_among_others(tmp_path):
    good = {"text": TEXT, "label": [[0, 3, "PER"]]}
    path = tmp_path / "data.jsonl"
    bad = [[0, 3]], [[1, 3, "PER"]]
    values = [good, *({"text": "Ada ran.", "label": label} for label in bad), {"txt": ""}]
    path.write_text(lines(*values) + "{\n")
    message = r"4 problems, .*data.jsonl:2: not readable. \[0, 3\] is not of the form"
    with pytest.raises(UserError, match=message):
        converted(path, tmp_path, "doccano")
    docs, said = converted(path, tmp_path, "doccano", on_problem="skip")
    assert docs == [COMPLETE]
    kinds = [line.split(":")[0] for line in said]
    assert kinds == ["not readable", "not on tokens", "not readable", "not readable"]
    docs, _ = converted(path, tmp_path, "doccano", on_problem="missing", force=True)
    assert docs == [COMPLETE, "Ada/? ran/O ./O"]


def test_pretty_printed_json(tmp_path):
    value = {"id": 1, "text": TEXT, "label": [[0, 3, "PER"]]}
    for number, content in enumerate([value, [value, {**value, "id": 2}]]):
        path = tmp_path / f"{number}.jsonl"
        path.write_text(json.dumps(content, indent=2))
        docs, _ = converted(path, tmp_path, "doccano", force=True)
        assert docs == [COMPLETE] * (number + 1)
    path.write_text(json.dumps(content, indent=2)[:-1])
    with pytest.raises(UserError, match=r"1.jsonl: This is not valid JSON"):
        converted(path, tmp_path, "doccano", force=True)


@pytest.mark.parametrize(
    "content, problem",
    [
        ('{"text": "%s", "label": [[0, 3, "PER"]], "label": []}', "the key 'label' twice"),
        ('{"text": "Bob sang.", "text": "%s", "label": []}', "the key 'text' twice"),
        (
            '{"text": "%s", "entities": [{"start": 0, "start": 4, "end": 7, "label": "X"}]}',
            "the key 'start' twice",
        ),
    ],
)
def test_of_two_equal_keys_nobody_knows_which_one_counts(content, problem, tmp_path):
    good = lines({"text": TEXT, "label": [[0, 3, "PER"]]})
    (tmp_path / "data.jsonl").write_text(good + content % TEXT)
    docs, found = converted(tmp_path / "data.jsonl", tmp_path, "doccano", on_problem="skip")
    assert docs == [COMPLETE]
    assert found == [f"not readable: An object has {problem}."]


def test_lines_of_json_that_were_put_together_with_their_byte_order_marks(tmp_path):
    line = "\ufeff" + lines({"text": TEXT, "label": [[0, 3, "PER"]]})
    (tmp_path / "data.jsonl").write_text(line * 2, encoding="utf8")
    assert converted(tmp_path / "data.jsonl", tmp_path, "doccano")[0] == [COMPLETE] * 2


def test_offsets_that_a_browser_counted_are_seen_by_what_prodigy_quotes(tmp_path):
    text = "\U0001f600 Ada sang"
    span = {"start": 3, "end": 6, "label": "PER", "text": "Ada"}
    value = {"text": text, "spans": [span], "answer": "accept", "_view_id": "ner_manual"}
    (tmp_path / "data.jsonl").write_text(lines(value))
    docs, said = converted(tmp_path / "data.jsonl", tmp_path, "prodigy")
    assert docs == ["\U0001f600/O Ada/B-PER sang/O"]
    assert said == ["1 documents with offsets in UTF-16 units, converted to code points"]


@pytest.mark.parametrize(
    "encoding, named",
    [
        ("utf-16", "UTF-16 (--encoding utf-16)"),
        ("utf-16-le", "UTF-16 (--encoding utf-16-le)"),
        ("utf-16-be", "UTF-16 (--encoding utf-16-be)"),
        ("utf-32", "UTF-32 (--encoding utf-32-le)"),
    ],
)
@pytest.mark.parametrize("source", ["doccano", "conll"])
def test_other_encodings_of_unicode_are_named(source, encoding, named, tmp_path):
    text = lines({"text": TEXT, "label": []}) if source == "doccano" else "Ada B-PER\nmet O\n"
    (tmp_path / "data").write_bytes(text.encode(encoding))
    with pytest.raises(UserError, match=re.escape(f"This looks like text in {named}.")):
        converted(tmp_path / "data", tmp_path, source)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "UTF8", "cp1252"])
def test_encodings(encoding, tmp_path):
    path = tmp_path / "data.jsonl"
    text = json.dumps({"text": "José ran.", "label": [[0, 4, "PER"]]}, ensure_ascii=False)
    path.write_bytes(text.encode(encoding))
    docs, _ = converted(path, tmp_path, "doccano", encoding=encoding)
    assert docs == ["José/B-PER ran/O ./O"]
    (tmp_path / "brat").mkdir()
    (tmp_path / "brat" / "a.txt").write_bytes("José ran.".encode(encoding))
    (tmp_path / "brat" / "a.ann").write_bytes("T1\tPER 0 4\tJosé\n".encode(encoding))
    if encoding in ("utf-16", "cp1252"):
        docs, _ = converted(tmp_path / "brat", tmp_path, "brat", encoding=encoding, force=True)
        assert docs == ["José/B-PER ran/O ./O"]


@pytest.mark.parametrize(
    "labels, expected",
    [
        ([[0, 7, "A"], [4, 11, "B"]], "Ada/B-A met/I-A Bob/O in/O Rome/O ./O"),
        ([[0, 3, "A"], [0, 11, "B"]], "Ada/B-B met/I-B Bob/I-B in/O Rome/O ./O"),
        ([[0, 3, "A"], [0, 3, "B"]], NOTHING.replace("?", "O").replace("Ada/O", "Ada/?")),
    ],
)
def test_the_longest_of_entities_that_overlap(labels, expected, tmp_path):
    path = tmp_path / "data.jsonl"
    ran = {"text": "Ada ran.", "label": [[0, 3, "PER"]]}
    path.write_text(lines({"text": TEXT, "label": labels}, ran))
    options = {"overlaps": "longest", "on_problem": "missing"}
    docs, said = converted(path, tmp_path, "doccano", **options)
    assert docs[0] == expected
    assert said[0].startswith("overlapping" if "?" in expected else "1 entities that overlap")


def test_a_text_that_is_annotated_twice_and_differently_is_counted(tmp_path):
    path = tmp_path / "data.jsonl"
    spans = {"start": 8, "end": 11, "label": "PER"}
    path.write_text(lines(task(ADA), task(spans), task(ADA), task(ADA, _view_id="ner")))
    said = converted(path, tmp_path, "prodigy")[1]
    assert "1 documents with the text of an earlier one and other annotation: see audit" in said


def test_values_that_files_of_spacy_or_json_can_not_hold(tmp_path):
    odd = '"text": "Ada ran.", "label": [[0, 3, "PER"]]'
    path = tmp_path / "data.jsonl"
    numbers = '"a": NaN, "b": [Infinity, 1e999], "c": 1' + "0" * 40
    path.write_text(f'{{{odd}, {numbers}, "meta": {{"d": -Infinity}}}}\n')
    for target in ("prodigy", "label-studio", "doccano", "brat", "spacy"):
        convert(path, tmp_path / target, source="doccano", target=target)
        back = tmp_path / f"{target}.jsonl"
        convert(tmp_path / target, back, source=target, target="doccano")
        kept = json.loads(back.read_text())
        if target != "brat":
            assert (kept["a"], kept["b"], kept["d"]) == ("NaN", ["Infinity", "1e999"], "-Infinity")
    deep = "[" * 800 + "]" * 800
    path.write_text(f'{{{odd}, "deep": {deep}}}\n{{{odd}}}\n')
    with pytest.raises(UserError, match="nested more than 200 levels deep"):
        convert(path, tmp_path / "deep.spacy", source="doccano")
    path.write_text(f'{{{odd}, "deep": {"[" * 190 + "]" * 190}}}\n')
    convert(path, tmp_path / "deep.spacy", source="doccano")
    convert(tmp_path / "deep.spacy", tmp_path / "deep", source="spacy", target="prodigy")


def test_a_tokenizer_that_changes_white_space(tmp_path, monkeypatch):
    from spacy.lang.ko import KoreanTokenizer

    def tokens(self, text):
        return ({"surface": word, "lemma": word, "tag": "NNG"} for word in text.split())

    # Its own analyzer is a program that is not there
    monkeypatch.setattr(
        KoreanTokenizer, "__init__", lambda self, vocab: setattr(self, "vocab", vocab)
    )
    monkeypatch.setattr(KoreanTokenizer, "detailed_tokens", tokens)
    text = "안녕   이 수 진 은 서 울 에 산다"
    path = tmp_path / "data.jsonl"
    path.write_text(lines({"text": text, "label": [[7, 8, "PER"]]}))
    docs, _ = converted(path, tmp_path, "doccano", lang="ko")
    assert docs == ["안녕/O   /O 이/O 수/B-PER 진/O 은/O 서/O 울/O 에/O 산다/O"]
    (doc,) = DocBin().from_disk(tmp_path / "out.spacy").get_docs(spacy.blank("en").vocab)
    assert doc.text == text
