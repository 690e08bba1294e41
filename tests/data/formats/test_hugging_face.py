"""Data sets of Hugging Face come in as they are meant, and go out so that `datasets` reads them."""

import json
from itertools import pairwise
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spacy
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import (
    ColumnSettings,
    Findings,
    FormatSettings,
    read,
    write,
)
from spacy_bilstm_crf.data.formats.guess import candidates, detected
from spacy_bilstm_crf.data.formats.sample import FileSample
from spacy_bilstm_crf.pipeline.confidence import confidence
from spacy_bilstm_crf.workflows import convert
from tests.data.formats.test_cases import converted, tagged

NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
WORDS = ["Ada", "Lee", "met", "Bob"]
ROW = {"id": "7", "tokens": WORDS, "ner_tags": [1, 2, 0, 1]}
ADA_LEE = "Ada/B-PER Lee/I-PER met/O Bob/B-PER"
VOCAB = spacy.blank("xx").vocab


def feature(names=NAMES, kind="Sequence"):
    return {"feature": {"names": names, "_type": "ClassLabel"}, "_type": kind}


def table(*rows, features=None):
    made = pa.Table.from_pylist(list(rows))
    if features is None:
        return made
    return made.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )


def parquet(path, *rows, names=NAMES):
    path.parent.mkdir(parents=True, exist_ok=True)
    features = None if names is None else {"ner_tags": feature(names)}
    pq.write_table(table(*rows, features=features), path)
    return path


def lines(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf8")
    return path


def saved(folder, *shards, names=NAMES):
    """A folder as `datasets.save_to_disk` writes it."""
    folder.mkdir(parents=True)
    files = [f"data-{i:05}-of-{len(shards):05}.arrow" for i in range(len(shards))]
    for name, rows in zip(files, shards):
        made = table(*rows)
        with pa.ipc.new_stream(folder / name, made.schema) as stream:
            stream.write_table(made)
    srsly.write_json(folder / "state.json", {"_data_files": [{"filename": x} for x in files]})
    features = {"ner_tags": feature(names, "List")}
    srsly.write_json(folder / "dataset_info.json", {"features": features})
    return folder


def found(path, folder, **options):
    """The docs of a file in one line each, and what was said, without the line on its format."""
    docs, said = converted(path, folder, None, **{"force": True, **options})
    assert said[0] == f"{path} is read as hugging-face"
    return docs, said[1:]


def refused(path, folder, message, **options):
    with pytest.raises(UserError, match=message) as caught:
        convert(path, folder / "refused.spacy", **options)
    assert "\n" not in str(caught.value)
    assert not (folder / "refused.spacy").exists()


# The names of integers


def card(*configs):
    """The beginning of a README.md, with a list of ClassLabel names for each configuration."""
    infos = [
        {
            "config_name": name,
            "features": [
                {"name": "id", "dtype": "string"},
                {
                    "name": "ner_tags",
                    "sequence": {
                        "class_label": {"names": {str(i): x for i, x in enumerate(names)}}
                    },
                },
            ],
        }
        for name, names in configs
    ]
    value = {"license": "mit", "dataset_info": infos if len(infos) > 1 else infos[0]}
    return f"---\n{srsly.yaml_dumps(value)}---\n\n# A data set\n"


OTHERS = ["O", "B-X", "I-X"]
INFO = json.dumps({"features": {"ner_tags": feature()}})
OLD_INFO = {"features": {"ner_tags": {**feature(), "length": -1, "id": None}}}


@pytest.mark.parametrize(
    "files",
    [
        {"data/dataset_info.json": INFO},
        {"dataset_infos.json": json.dumps({"default": OLD_INFO})},
        {"README.md": card(("default", NAMES))},
        {"README.md": card(("default", NAMES), ("other", NAMES))},
        {"README.md": card(("data", NAMES), ("other", OTHERS))},  # by the folder's name
        {"README.md": "# No YAML\n", "data/dataset_info.json": INFO},
        {"data/README.md": card(("default", NAMES)), "README.md": card(("default", OTHERS))},
    ],
)
def test_names_beside_the_file(files, tmp_path):
    path = lines(tmp_path / "set" / "data" / "train.jsonl", ROW)
    for name, text in files.items():
        (tmp_path / "set" / name).write_text(text)
    assert found(path, tmp_path) == ([ADA_LEE], [])


@pytest.mark.parametrize("kind", ["Sequence", "List", "LargeList"])
def test_names_in_the_metadata_of_the_schema(kind, tmp_path):
    pq.write_table(table(ROW, features={"ner_tags": feature(kind=kind)}), tmp_path / "a.parquet")
    assert found(tmp_path / "a.parquet", tmp_path) == ([ADA_LEE], [])


def test_names_that_are_nowhere_must_be_given(tmp_path):
    path = parquet(tmp_path / "a.parquet", ROW, names=None)
    refused(path, tmp_path, r"ner_tags has integers, but no file .* --labels O,B-PER,I-PER")
    assert found(path, tmp_path, labels=NAMES) == ([ADA_LEE], [])
    refused(path, tmp_path, r"ner_tags has 2, but there are names for 0 to 1", labels=NAMES[:2])
    refused(path, tmp_path, "--labels has 'O' twice", labels=["O", "O"])
    # As the user says otherwise than the file
    parquet(path, ROW, names=["O", "B", "I"])
    refused(path, tmp_path, "tags must be like B-PER, or labels alone")
    docs, said = found(path, tmp_path, labels=["O", "B-X", "I-X"])
    assert docs == ["Ada/B-X Lee/I-X met/O Bob/B-X"]
    assert said == ["1 files with other names in ner_tags, replaced by --labels"]


def test_names_that_are_not_clear_must_be_given(tmp_path):
    path = lines(tmp_path / "x" / "train.jsonl", ROW)
    (tmp_path / "x" / "README.md").write_text(card(("a", NAMES), ("b", OTHERS)))
    refused(path, tmp_path, "README.md has other names in each of a, b: .* --labels")
    (tmp_path / "x" / "README.md").write_text("---\na: [\n---\n")
    refused(path, tmp_path, "README.md can't be read for the names of ner_tags: .* --labels")
    assert found(path, tmp_path, labels=NAMES) == ([ADA_LEE], [])


def test_labels_without_integers_to_name(tmp_path):
    (tmp_path / "a.conll").write_text("Ada B-PER\n")
    message = "--labels: neither conll nor spacy has integers to name"
    refused(tmp_path / "a.conll", tmp_path, message, labels=["O"])


# Tags


@pytest.mark.parametrize(
    "tags, expected",
    [
        (["B-PER", "I-PER", "O", "B-PER"], ADA_LEE),
        (["I-PER", "I-PER", "O", "I-PER"], ADA_LEE),  # IOB1
        (["B-PER", "L-PER", "O", "U-PER"], ADA_LEE),
        (["B-PER", "E-PER", "O", "S-PER"], ADA_LEE),
        (["B-PER", "M-PER", "E-PER", "S-PER"], "Ada/B-PER Lee/I-PER met/I-PER Bob/B-PER"),
        (["PER", "PER", "O", "PER"], ADA_LEE),
        (["person-actor", "O", "O", "O"], "Ada/B-person-actor Lee/O met/O Bob/O"),
        (["B-A b", "I-A b", "O", "O"], "Ada/B-A b Lee/I-A b met/O Bob/O"),
        (["B-PER", "B-PER", None, "B-PER"], "Ada/B-PER Lee/? met/? Bob/B-PER"),  # it may go on
        (["U-PER", "O", None, "U-PER"], "Ada/B-PER Lee/O met/? Bob/B-PER"),
    ],
)
@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
@pytest.mark.parametrize("column", ["ner_tags", "tags", "labels"])
def test_tags_that_are_strings(tags, expected, ending, column, tmp_path):
    row = {"tokens": WORDS, column: tags}
    path = tmp_path / f"a.{ending}"
    parquet(path, row, names=None) if ending == "parquet" else lines(path, row)
    assert found(path, tmp_path)[0] == [expected]


def test_of_labels_without_a_prefix_it_is_said_how_they_are_read(tmp_path):
    rows = [
        {"tokens": ["It", "rained"], "tags": ["O", "O"]},
        {"tokens": WORDS, "tags": ["PER", "LOC", "O", "PER"]},
    ]
    docs, said = found(lines(tmp_path / "a.jsonl", *rows), tmp_path)
    assert docs[1] == "Ada/B-PER Lee/B-LOC met/O Bob/B-PER"
    what = "documents with labels in place of tags, of which neighbours are one entity"
    assert said == [f"1 {what}"]


@pytest.mark.parametrize("ignored", [-100, -1, None])
def test_ignored_tokens_are_unknown(ignored, tmp_path):
    bioes = ["O", "B-PER", "E-PER", "S-PER"]
    rows = [{**ROW, "ner_tags": [3, ignored, 0, 3], "id": "1"}, {**ROW, "ner_tags": [ignored] * 4}]
    docs, said = found(parquet(tmp_path / "a.parquet", *rows, names=bioes), tmp_path)
    assert docs == ["Ada/B-PER Lee/? met/O Bob/B-PER", "Ada/? Lee/? met/? Bob/?"]
    assert said == ["1 documents that are not annotated, of which all tokens are unknown"]


@pytest.mark.parametrize(
    "row, message",
    [
        ({"ner_tags": [1, 2, 0]}, "There are 4 tokens, but ner_tags: 3."),
        ({"ner_tags": [1, 2, 0, 9]}, "ner_tags has 9, but there are names for 0 to 4."),
        ({"ner_tags": [1, 2, 0, -7]}, "ner_tags has -7, but there are names for 0 to 4."),
        ({"ner_tags": "x"}, "There are 4 tokens, but ner_tags: 'x'."),
        ({"ner_tags": [1, 2, 0, True]}, "ner_tags has True, which is no tag."),
        ({"ner_tags": [1, 2, 0, [1]]}, "ner_tags has [1], which is no tag."),
        ({"ner_tags": [1, 2, 0, ""]}, "ner_tags has '', which is no tag."),
        ({"tokens": ["Ada", None]}, "tokens must be a list of strings, but is ['Ada', None]."),
        ({"tokens": None}, "tokens must be a list of strings, but is None."),
        ({"ner_tags": [1, 2, 0, "PER"]}, "'Bob' is tagged 'PER', but must be O, B-X, I-X or"),
    ],
)
def test_a_row_that_is_wrong_is_a_problem_among_others(row, message, tmp_path):
    path = lines(tmp_path / "a.jsonl", ROW, {**ROW, **row, "id": "8"})
    (tmp_path / "dataset_info.json").write_text(INFO)
    docs, said = found(path, tmp_path, on_problem="skip")
    assert docs == [ADA_LEE]
    assert len(said) == 1 and said[0].startswith(f"not readable: {message}")


@pytest.mark.parametrize(
    "row, message",
    [
        (
            {"tokens": WORDS, "tags": ["NN", "NN", "VB", "NN"]},
            "but no O, so that these are no tags",
        ),
        ({"tokens": WORDS, "tags": ["B_PER", "I_PER", "O", "O"]}, "tags must be like B-PER"),
        ({"tokens": WORDS, "tags": ["b-per", "i-per", "O", "O"]}, "tags must be like B-PER"),
        ({"tokens": WORDS, "tags": ["B-PER", "E-PER", "O", "U-PER"]}, "mixes tags of BILUO"),
        ({"tokens": WORDS, "tags": ["O", "I-X", "O", "B-X"]}, "'Lee' is tagged I-X, .* of iob2"),
    ],
)
def test_files_that_are_refused(row, message, tmp_path):
    refused(lines(tmp_path / "a.jsonl", row), tmp_path, message)


# Other columns and spans


def test_other_columns_become_meta_but_for_lists(tmp_path):
    more = {"lang": "en", "n": 3, "score": float("nan"), "pos_tags": [1, 2], "x": {"a": 1}}
    path = parquet(tmp_path / "a.parquet", {**ROW, **more, "none": None})
    docs, said = found(path, tmp_path)
    assert docs == [ADA_LEE]
    assert said == [
        "1 lists of the column 'pos_tags' left out",
        "1 lists of the column 'x' left out",
    ]
    (doc,) = DocBin().from_disk(tmp_path / "out.spacy").get_docs(VOCAB)
    assert doc.user_data == {"id": "7", "meta": {"lang": "en", "n": 3, "score": "NaN"}}


SPANNED = {
    "text": "Ada met Bob.",
    "entities": [{"start": 0, "end": 3, "label": 1}, {"start": 8, "end": 11, "label": 0}],
}


def test_spans(tmp_path):
    names = {"names": ["LOC", "PER"], "_type": "ClassLabel"}
    features = {"entities": [{"start": {}, "end": {}, "label": names}]}
    given_rows = [SPANNED, {"text": "Eve ran.", "entities": []}, {"text": "Eve", "entities": None}]
    pq.write_table(table(*given_rows, features=features), tmp_path / "a.parquet")
    docs, _ = found(tmp_path / "a.parquet", tmp_path)
    assert docs == ["Ada/B-PER met/O Bob/B-LOC ./O", "Eve/O ran/O ./O", "Eve/?"]
    # As older versions write them, with labels that are strings
    columns = {"start": [0, 8], "end": [3, 11], "label": ["A", "B"]}
    pq.write_table(table({"text": SPANNED["text"], "spans": columns}), tmp_path / "b.parquet")
    assert found(tmp_path / "b.parquet", tmp_path)[0] == ["Ada/B-A met/O Bob/B-B ./O"]
    refused(
        tmp_path / "b.parquet",
        tmp_path,
        "neither tokens with .* nor 'x'",
        text_key="x",
        source="hugging-face",
    )


def test_what_annotate_writes(tmp_path):
    """Its Parquet has spans with a quote and a confidence, and a file that says what was done."""
    spans = [{"start": 0, "end": 3, "text": "Ada", "label": "PER", "confidence": 0.75}]
    row = {"id": "1", "text": "Ada met Bob.", "n": 2, "entities": spans, "n_tokens": 4}
    failed = {"id": "2", "text": None, "n": None, "entities": None, "n_tokens": 0, "error": "none"}
    parquet(tmp_path / "annotated" / "part-000000.parquet", {**row, "error": None}, failed)
    (tmp_path / "annotated" / "_manifest.json").write_text("{}")
    result = convert(tmp_path / "annotated", tmp_path / "out", lang="en", on_problem="skip")
    (problem,) = result.findings.problems
    assert problem.message.startswith("There is no text under 'text'")
    (doc,) = DocBin().from_disk(tmp_path / "out" / "part-000000.spacy").get_docs(VOCAB)
    assert [(ent.text, ent.label_, confidence(ent)) for ent in doc.ents] == [("Ada", "PER", 0.75)]
    assert doc.user_data["meta"] == {"n": 2, "n_tokens": 4}
    # Offsets that don't fit their quote are seen
    parquet(tmp_path / "b.parquet", {**row, "entities": [{**spans[0], "start": 1, "end": 4}]})
    refused(tmp_path / "b.parquet", tmp_path, "other text than quoted. PER is 'Ada'", lang="en")


# Folders


def test_a_saved_data_set_becomes_a_file_for_each_split(tmp_path):
    saved(tmp_path / "set" / "train", [ROW, {**ROW, "id": "8"}], [{**ROW, "id": "9"}])
    saved(tmp_path / "set" / "test-1.0", [ROW])
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["train", "test-1.0"]}')
    said = []
    files = convert(tmp_path / "set", tmp_path / "out", on_progress=said.append).files
    counts = {str(file.path.relative_to(tmp_path)): file.n_docs for file in files}
    assert counts == {"out/test-1.0.spacy": 1, "out/train.spacy": 3}
    assert said == [f"{tmp_path / 'set'} is read as hugging-face"]
    assert found(tmp_path / "set" / "train", tmp_path)[0] == [ADA_LEE] * 3
    assert found(next((tmp_path / "set" / "train").glob("*1-of*.arrow")), tmp_path, labels=NAMES)[
        0
    ] == [ADA_LEE]
    next((tmp_path / "set" / "train").glob("*1-of*.arrow")).unlink()
    refused(tmp_path / "set" / "train", tmp_path, "train has no .*data-00001-of-00002.arrow")
    (tmp_path / "set" / "train" / "state.json").write_text("[]")
    refused(tmp_path / "set" / "train", tmp_path, "state.json is not that of a data set")


def test_a_folder_of_files(tmp_path):
    for name in ("data/train-00000-of-00001", "data/test-00000-of-00001"):
        parquet(tmp_path / "set" / f"{name}.parquet", ROW, names=None)
    (tmp_path / "set" / "README.md").write_text(card(("default", NAMES)))
    files = convert(tmp_path / "set", tmp_path / "out").files
    assert [file.path.name for file in files] == [
        "test-00000-of-00001.spacy",
        "train-00000-of-00001.spacy",
    ]


@pytest.mark.parametrize("cut", [4, 40, 200, -20])
def test_damaged_files(cut, tmp_path):
    path = parquet(tmp_path / "a.parquet", ROW)
    path.write_bytes(path.read_bytes()[:cut])
    refused(path, tmp_path, "a.parquet", source="hugging-face")
    refused(path, tmp_path, r"a.parquet has no format|is not a Parquet file")
    saved(tmp_path / "b", [ROW])
    (arrow,) = (tmp_path / "b").glob("*.arrow")
    arrow.write_bytes(arrow.read_bytes()[:cut] if cut > 0 else b"\xff\xff\xff\xff" * 9)
    refused(tmp_path / "b", tmp_path, "is damaged|not an Arrow file|has no rows")


def test_flipped_bytes_are_refused_or_read(tmp_path):
    """Arrow's own checks come before the values, which wrong offsets would look for anywhere."""
    saved(tmp_path / "a", [{**ROW, "id": str(i)} for i in range(5)])
    (arrow,) = (tmp_path / "a").glob("*.arrow")
    content = arrow.read_bytes()
    generator = Random(0)
    refusals = 0
    for _ in range(100):
        changed = bytearray(content)
        changed[generator.randrange(len(content))] = generator.randrange(256)
        arrow.write_bytes(changed)
        try:
            convert(tmp_path / "a", tmp_path / "b.spacy", force=True, on_problem="missing")
        except UserError as error:
            refusals += 1
            assert "\n" not in str(error)
    assert 0 < refusals < 100


# Detection


def test_parquet_of_something_else_is_not_recognized(tmp_path):
    path = parquet(tmp_path / "a.parquet", {"text": "Ada", "n": 1}, names=None)
    assert candidates(FileSample.of(path, FormatSettings())) == []
    refused(path, tmp_path, "neither tokens with ner_tags, .* but: text, n.")  # by its ending
    path.rename(tmp_path / "a")
    refused(tmp_path / "a", tmp_path, "This looks like Parquet.")


def test_without_pyarrow_it_is_named(tmp_path, monkeypatch):
    path = parquet(tmp_path / "a.parquet", ROW)
    json_lines = lines(tmp_path / "a.jsonl", {**ROW, "ner_tags": ["B-PER", "I-PER", "O", "O"]})
    monkeypatch.setattr("spacy_bilstm_crf.common.errors.find_spec", lambda name: None)
    monkeypatch.setattr("spacy_bilstm_crf.data.formats.hugging_face.find_spec", lambda name: None)
    message = r"needs pyarrow, .*spacy-bilstm-crf\[bulk\]"
    refused(path, tmp_path, message)
    with pytest.raises(UserError, match=message):
        convert(json_lines, tmp_path / "out.parquet")
    convert(json_lines, tmp_path / "out.jsonl", target="hugging-face")


# Writing


def doc_of(words, *spans, **user_data):
    doc = Doc(VOCAB, words=words)
    doc.set_ents([Span(doc, *span) for span in spans], default="outside")
    doc.user_data.update(user_data)
    return doc


def test_parquet_has_integers_and_their_names(tmp_path):
    docs = [doc_of(WORDS, (0, 2, "PER"), (3, 4, "ORG"), id="1"), doc_of(["Ada"], (0, 1, "PER"))]
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "in.spacy")
    said = []
    convert(tmp_path / "in.spacy", tmp_path / "out.parquet", on_progress=said.append)
    assert f"{tmp_path / 'out.parquet'} is written as hugging-face" in said[0]
    made = pq.read_table(tmp_path / "out.parquet")
    assert made.to_pylist() == [
        {"id": "1", "tokens": WORDS, "ner_tags": [3, 4, 0, 1]},
        {"id": None, "tokens": ["Ada"], "ner_tags": [3]},
    ]
    features = json.loads(made.schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == made.column_names
    names = ["O", "B-ORG", "I-ORG", "B-PER", "I-PER"]
    assert features["ner_tags"]["feature"] == {"names": names, "_type": "ClassLabel"}
    # In the order that is given
    names = ["I-PER", "B-PER", "O", "B-ORG", "I-ORG"]
    convert(tmp_path / "in.spacy", tmp_path / "out.parquet", labels=names, force=True)
    made = pq.read_table(tmp_path / "out.parquet")
    assert made.column("ner_tags").to_pylist() == [[1, 0, 2, 3], [1]]
    with pytest.raises(UserError, match="--labels lacks B-ORG: add it"):
        convert(tmp_path / "in.spacy", tmp_path / "no.parquet", labels=["O", "B-PER", "I-PER"])


def test_all_files_of_a_folder_have_the_same_names(tmp_path):
    (tmp_path / "in").mkdir()
    for name, label in (("train", "PER"), ("dev", "LOC")):
        docs = [doc_of(["Ada", "ran"], (0, 1, label))]
        DocBin(docs=docs).to_disk(tmp_path / "in" / f"{name}.spacy")
    convert(tmp_path / "in", tmp_path / "out", target="hugging-face")
    made = {x.stem: pq.read_table(x) for x in (tmp_path / "out").glob("*.parquet")}
    assert {name: one.column("ner_tags").to_pylist() for name, one in made.items()} == {
        "train": [[3, 0]],
        "dev": [[1, 0]],
    }
    assert made["train"].schema == made["dev"].schema
    assert made["train"].schema.metadata == made["dev"].schema.metadata


def test_json_lines_have_strings(tmp_path):
    doc = doc_of(["Ada", "\n", "ran"], (0, 1, "A B"), id="1", meta={"x": 1, "y": [1], "tokens": 2})
    other = doc_of(["Bob"], meta={"x": "a"})
    other.set_ents([], missing=[other[0:1]])
    DocBin(docs=[doc, other], store_user_data=True).to_disk(tmp_path / "in.spacy")
    said = []
    output = tmp_path / "out.jsonl"
    convert(tmp_path / "in.spacy", output, target="hugging-face", on_progress=said.append)
    assert list(srsly.read_jsonl(output)) == [
        {"id": "1", "tokens": ["Ada", "ran"], "ner_tags": ["S-A B", "O"], "x": "1", "y": "[1]"},
        {"tokens": ["Bob"], "ner_tags": [None], "x": '"a"'},
    ]
    assert said[1:] == [
        "1 documents with other white space now: one blank between words",
        "1 tokens of white space left out",
        "1 values of documents' meta under keys of the format left out",
        "2 values of meta 'x' written as JSON",
        "1 values of meta 'y' written as JSON",
    ]
    refused_ending = tmp_path / "out.arrow"
    with pytest.raises(UserError, match=r".arrow files are not written: name one that ends in"):
        convert(tmp_path / "in.spacy", refused_ending)


WORD = st.sampled_from(["Ada", "\U0001f600", "e\u0301", "a b", "#", "O", "日本", "-DOCSTART-", "'"])
LABEL = st.sampled_from(["PER", "LOC", "A b", "B-X", "O", "?"])
META = st.dictionaries(
    st.sampled_from(["a", "lang", "tags", "text"]),
    st.text(max_size=3, alphabet="aé\u2028") | st.integers(-9, 9) | st.booleans() | st.floats(0, 1),
)


@pytest.mark.parametrize("ending", [".parquet", ".jsonl"])
@pytest.mark.parametrize("scheme", ["auto", "iob1", "iob2", "biluo", "bioes"])
@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.tuples(WORD, LABEL, st.booleans()), max_size=8), min_size=1, max_size=4
    ),
    metas=st.lists(META, min_size=4, max_size=4),
)
def test_round_trips(scheme, ending, tmp_path_factory, rows, metas):
    given_docs = []
    types = {}
    for number, (row, meta) in enumerate(zip(rows, metas)):
        doc = Doc(VOCAB, words=[word for word, _, _ in row])
        cuts = [
            i
            for i, (_, label, starts) in enumerate(row)
            if i == 0 or starts or label != row[i - 1][1]
        ]
        spans = [(a, b, row[a][1]) for a, b in pairwise([*cuts, len(row)])]
        unknown = [doc[a:b] for a, b, label in spans if label == "?"]
        # Of IOB nobody can say whether they go on in a token that is not known
        unknown = [] if scheme in ("iob1", "iob2") else unknown
        ents = [Span(doc, a, b, label=label) for a, b, label in spans if label not in ("O", "?")]
        doc.set_ents(ents, missing=unknown, default="outside")
        # A column has values of one type
        kept = {k: v for k, v in meta.items() if types.setdefault(k, type(v)) is type(v)}
        doc.user_data.update({"id": str(number), **({"meta": kept} if kept else {})})
        given_docs.append(doc)
    path = tmp_path_factory.mktemp("files") / f"file{ending}"
    of_files = FormatSettings(columns=ColumnSettings(scheme), suffix=ending)
    findings = Findings()
    write(given_docs, path, "hugging-face", of_files, findings)
    back = list(read(path, "hugging-face", of_files, findings))
    assert not findings.problems
    assert [tagged(doc) for doc in back] == [tagged(doc) for doc in given_docs]
    assert [doc.user_data for doc in back] == [doc.user_data for doc in given_docs]


# With the library itself


@pytest.fixture
def datasets(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return pytest.importorskip("datasets", reason="needs the package datasets")


def test_datasets_reads_what_was_written(datasets, tmp_path):
    docs = [doc_of(WORDS, (0, 2, "PER"), (3, 4, "ORG"), id="1", meta={"n": 1, "x": 0.5})]
    docs.append(doc_of(["Ada", "ran"], (0, 1, "PER")))
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "in.spacy")
    convert(tmp_path / "in.spacy", tmp_path / "out.parquet")
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "out.parquet"), split="train", cache_dir=cache
    )
    names = loaded.features["ner_tags"].feature.names
    assert names == ["O", "B-ORG", "I-ORG", "B-PER", "I-PER"]
    assert [names[i] for i in loaded[0]["ner_tags"]] == ["B-PER", "I-PER", "O", "B-ORG"]
    assert loaded.column_names == ["id", "tokens", "ner_tags", "n", "x"]


def test_what_datasets_has_written_is_read(datasets, tmp_path):
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=NAMES)),
        }
    )
    rows = [{**ROW, "id": str(i)} for i in range(5)]
    made = datasets.Dataset.from_list(rows, features=features)
    made.save_to_disk(tmp_path / "saved", num_shards=2)
    made.to_parquet(tmp_path / "a.parquet")
    for name in ("saved", "a.parquet"):
        assert detected(tmp_path / name, FormatSettings()) == "hugging-face"
        assert found(tmp_path / name, tmp_path) == ([ADA_LEE] * 5, [])
