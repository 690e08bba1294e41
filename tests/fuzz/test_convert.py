"""What `convert` promises of files as people have them, and of such files with something wrong.

The files are written here and not by the package, so that the entities are counted on their own.
"""

import csv
import io
import json
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import spacy
from hypothesis import note
from hypothesis import strategies as st
from spacy.tokens import DocBin

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import FORMATS, ColumnSettings, writable
from spacy_bilstm_crf.data.formats.settings import ON_PROBLEM, OVERLAPS, TAG_SCHEMES, UNANNOTATED
from spacy_bilstm_crf.workflows import convert
from tests.fuzz.running import counts, fuzzed

VOCAB = spacy.blank("xx").vocab
WORDS = [
    "Ada",
    "Rome",
    "the",
    "#",
    '"',
    ",",
    "1",
    "20",
    "O",
    "日本",
    "\U0001f600",
    "don't",
    "|",
    "a=b",
]
LABELS = ["PER", "LOC", "creative-work"]
# Letters of an entity of one token, the first of several, those between and the last
SCHEMES = {
    "iob2": "BBII",
    "bioes": "SBIE",
    "biluo": "UBIL",
    "bmes": "SBME",
}


@st.composite
def annotated(draw):
    """The words of a text and the labels of entities, which touch no other of their label."""
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8))
    cuts = sorted(draw(st.sets(st.integers(0, len(words)), max_size=6)))
    spans = [
        (start, end, draw(st.sampled_from(LABELS)))
        for start, end in pairwise(cuts)
        if draw(st.booleans())
    ]
    return words, spans


corpora = st.lists(annotated(), min_size=1, max_size=5)


def tags_of(words, spans, letters="BBII"):
    """The tags of a text."""
    single, first, inside, last = letters
    tags = ["O"] * len(words)
    for start, end, label in spans:
        shape = single if end - start == 1 else first + inside * (end - start - 2) + last
        tags[start:end] = [f"{letter}-{label}" for letter in shape]
    return tags


def entities_of(words, spans):
    """The text and label of each entity, of words with a blank between them."""
    return [(" ".join(words[start:end]), label) for start, end, label in spans]


def offsets_of(words, spans):
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word) + 1)
    return [(starts[start], starts[end] - 1, label) for start, end, label in spans]


def written(value, path):
    path.write_bytes(value.encode("utf8") if isinstance(value, str) else value)
    return path


def converted(path, source, folder, **options):
    """The docs that a file becomes, or None if it is refused in one line."""
    try:
        result = convert(path, folder / "out", source=source, force=True, **options)
    except UserError as error:
        assert str(error) and "\n" not in str(error)
        counts["files refused"] += 1
        return None
    counts["files converted"] += 1
    docs = list(DocBin().from_disk(folder / "out").get_docs(VOCAB))
    (file,) = result.files
    assert file.contents.n_entities == sum(len(doc.ents) for doc in docs)
    return docs


def check(docs, corpus):
    """Check that docs have the entities of a corpus, and know of no other token."""
    assert [doc.text.rstrip() for doc in docs] == [" ".join(words) for words, _ in corpus]
    for doc, (words, spans) in zip(docs, corpus):
        found = [(ent.text.rstrip(), ent.label_) for ent in doc.ents]
        assert found == entities_of(words, spans)


# Columns


@st.composite
def column_files(draw):
    """A file of columns, the corpus that it is of, and the settings to read it."""
    corpus = draw(corpora)
    separator = draw(st.sampled_from(["\t", " ", ","]))
    before = draw(st.sampled_from(["", "index", "index from 1", "tag"]))
    after = draw(st.sampled_from(["", "pos", "chunk"]))
    letters = draw(st.sampled_from(list(SCHEMES.values())))
    blocks = []
    for words, spans in corpus:
        rows = []
        for i, (word, tag) in enumerate(zip(words, tags_of(words, spans, letters))):
            first = {"": [], "index": [i], "index from 1": [i + 1], "tag": [tag]}[before]
            middle = {"": [], "pos": ["NN"], "chunk": ["B-NP"]}[after]
            rows.append([*first, word, *middle, *([] if before == "tag" else [tag])])
        file = io.StringIO()
        if separator == ",":
            csv.writer(file, lineterminator="\n").writerows(rows)
        else:
            file.write("".join(separator.join(map(str, row)) + "\n" for row in rows))
        blocks.append(file.getvalue())
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = draw(st.sampled_from(["", "\ufeff"])) + "\n".join(blocks).replace("\n", end)
    given_separator = draw(st.sampled_from([None, separator])) if separator != "," else ","
    columns = ColumnSettings(
        separator=given_separator, word=1 if before else 0, tag=0 if before == "tag" else -1
    )
    return text, corpus, columns, before.startswith("index")


@fuzzed(40, file=column_files(), encoding=st.sampled_from(["utf8", "utf-16"]))
def test_columns_become_what_was_written(file, encoding):
    """Columns in any order and scheme: the right words and entities, and never a count as words."""
    text, corpus, columns, has_index = file
    note(text)
    with TemporaryDirectory() as folder:
        path = written(text.lstrip("\ufeff").encode(encoding), Path(folder) / "data.conll")
        has_entities = any(spans for _, spans in corpus)
        docs = converted(path, "conll", Path(folder), columns=columns, encoding=encoding)
        # What looks like a number in each line can't be told from a column that counts
        if docs is None:
            words = [word for words, _ in corpus for word in words]
            assert not has_entities or any(word.isdecimal() or word == "O" for word in words)
        else:
            assert has_entities
            check(docs, corpus)
        if has_index:
            wrong = columns._replace(word=0)
            assert converted(path, "conll", Path(folder), columns=wrong, encoding=encoding) is None


# JSON and standoff


def doccano(words, spans):
    return {"text": " ".join(words), "label": [list(x) for x in offsets_of(words, spans)]}


def doccano_relations(words, spans):
    keys = ("start_offset", "end_offset", "label")
    entities = [dict(zip(keys, x)) for x in offsets_of(words, spans)]
    return {"text": " ".join(words), "entities": entities, "relations": []}


def prodigy(words, spans):
    found = [dict(zip(("start", "end", "label"), x)) for x in offsets_of(words, spans)]
    return {"text": " ".join(words), "spans": found, "answer": "accept", "_view_id": "ner_manual"}


def label_studio(words, spans):
    text = " ".join(words)
    results = [
        {
            "type": "labels",
            "value": {"start": start, "end": end, "labels": [label], "text": text[start:end]},
        }
        for start, end, label in offsets_of(words, spans)
    ]
    return {"data": {"text": text}, "annotations": [{"result": results}]}


def hugging_face(words, spans):
    return {"tokens": words, "ner_tags": tags_of(words, spans)}


def dataturks(words, spans):
    text = " ".join(words)
    annotation = [
        {"label": [label], "points": [{"start": start, "end": end - 1, "text": text[start:end]}]}
        for start, end, label in offsets_of(words, spans)
    ]
    return {"content": text, "annotation": annotation}


def gliner(words, spans):
    ner = [[start, end - 1, label] for start, end, label in spans]
    return {"tokenized_text": words, "ner": ner}


def ground_truth(words, spans):
    keys = ("startOffset", "endOffset", "label")
    entities = [dict(zip(keys, x)) for x in offsets_of(words, spans)]
    about = {"type": "groundtruth/text-span", "human-annotated": "yes"}
    job = {"annotations": {"entities": entities}}
    return {"source": " ".join(words), "job": job, "job-metadata": about}


def ner_annotator(words, spans):
    entities = [list(x) for x in offsets_of(words, spans)]
    return {"classes": [], "annotations": [[" ".join(words), {"entities": entities}], None]}


def presidio(words, spans):
    text = " ".join(words)
    keys = ("start_position", "end_position", "entity_type", "entity_value")
    found = [dict(zip(keys, (*x, text[x[0] : x[1]]))) for x in offsets_of(words, spans)]
    return {"full_text": text, "spans": found, "template_id": 1}


def spacy_v2(words, spans):
    tags = tags_of(words, spans, "UBIL")
    tokens = [{"orth": word, "ner": tag} for word, tag in zip(words, tags)]
    return {"id": 0, "paragraphs": [{"raw": " ".join(words), "sentences": [{"tokens": tokens}]}]}


DETECTED = "detected"  # in place of a format's name
TOOLS = {
    "dataturks": dataturks,
    "doccano": doccano,
    "doccano-relations": doccano_relations,
    "prodigy": prodigy,
    "gliner": gliner,
    "ground-truth": ground_truth,
    "label-studio": label_studio,
    "spacy-v2": spacy_v2,
    "presidio": presidio,
    "ner-annotator": ner_annotator,
    "hugging-face": hugging_face,
}


@fuzzed(
    40,
    corpus=corpora,
    name=st.sampled_from(list(TOOLS)),
    shape=st.sampled_from(["lines", "list", "pretty"]),
)
def test_exports_of_tools_become_what_was_annotated(corpus, name, shape):
    """JSON in any shape: all entities, or a refusal for those that are on no tokens."""
    values = [TOOLS[name](*one) for one in corpus]
    text = json.dumps(values, indent=2 if shape == "pretty" else None, ensure_ascii=False)
    if shape == "lines":
        text = "\n".join(json.dumps(value) for value in values)
    with TemporaryDirectory() as folder:
        path = written(text, Path(folder) / "data.jsonl")
        docs = converted(path, name, Path(folder))
        if docs is not None:
            check(docs, corpus)
            assert all(token.ent_iob for doc in docs for token in doc)


# Files with something wrong

PIECES = [
    "",
    " ",
    "\t",
    "\n",
    "\r",
    '"',
    ",",
    "{",
    "}",
    "[",
    "]",
    "NaN",
    "1e999",
    "-1",
    "null",
    "O",
]
PIECES += ["B-PER", "I-", "-DOCSTART-", "#", "\\ud800", "\x00", "T1\tPER 0 3\tAda", "|", ":", "日"]


@st.composite
def damaged(draw, content):
    """Bytes with some of them replaced, left out or repeated."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(start + draw(st.integers(0, 12)), len(content))
        piece = draw(
            st.sampled_from(PIECES) | st.binary(max_size=3) | st.just(content[start:end] * 2)
        )
        piece = piece.encode("utf8") if isinstance(piece, str) else piece
        content = content[:start] + piece + content[end:]
    return content


@st.composite
def damaged_files(draw):
    name = draw(st.sampled_from([*TOOLS, "conll", "brat"]))
    if name == "conll":
        text = draw(column_files())[0]
    elif name == "brat":
        words, spans = draw(annotated())
        lines = [
            f"T{i}\t{label} {start} {end}\t{' '.join(words)[start:end]}\n"
            for i, (start, end, label) in enumerate(offsets_of(words, spans))
        ]
        text = "".join(lines)
        return name, draw(damaged(text.encode("utf8"))), " ".join(words)
    else:
        text = "\n".join(json.dumps(TOOLS[name](*one)) for one in draw(corpora))
    return name, draw(damaged(text.encode("utf8"))), None


@fuzzed(
    60,
    file=damaged_files(),
    read_as=st.none() | st.sampled_from([*sorted(FORMATS), DETECTED]),
    on_problem=st.sampled_from(ON_PROBLEM),
    overlaps=st.sampled_from(OVERLAPS),
    unannotated=st.sampled_from(UNANNOTATED),
    columns=st.builds(
        ColumnSettings,
        scheme=st.sampled_from(TAG_SCHEMES),
        separator=st.sampled_from([None, "\t", ",", " ", "|"]),
        word=st.integers(-2, 2),
        tag=st.integers(-2, 3),
        pos=st.none() | st.integers(-1, 3),
        comment=st.none() | st.sampled_from(["#", "# "]),
    ),
)
def test_a_damaged_file_is_converted_or_refused(file, read_as, columns, **options):
    """Whatever is in a file, under whatever name: docs that can be saved, or one line."""
    name, content, text = file
    with TemporaryDirectory() as folder:
        path = Path(folder) / "in"
        if text is not None:
            path.mkdir()
            written(text, path / "a.txt")
            written(content, path / "a.ann")
        else:
            written(content, path)
        source = None if read_as == DETECTED else read_as or name
        docs = converted(path, source, Path(folder), columns=columns, **options)
        if docs is None:
            return
        for target in writable():
            (Path(folder) / "back").mkdir(exist_ok=True)
            goal = Path(folder) / "back" / target
            try:
                convert(Path(folder) / "out", goal, source="spacy", target=target)
            except UserError as error:
                assert "contains no documents" in str(error)


@fuzzed(40, corpus=corpora, data=st.data(), name=st.sampled_from([*TOOLS, "conll"]))
def test_one_bad_line_leaves_the_others_as_they_are(corpus, data, name):
    """With --on-problem skip, a document of which no line is damaged keeps its entities."""
    parts = [
        "".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags_of(words, spans)))
        if name == "conll"
        else json.dumps(TOOLS[name](words, spans))
        for words, spans in corpus
    ]
    chosen = data.draw(st.integers(0, len(parts) - 1))
    parts[chosen] = data.draw(damaged(parts[chosen].encode("utf8"))).decode("utf8", "replace")
    truth = {" ".join(one[0]): one for i, one in enumerate(corpus) if i != chosen}
    again = [" ".join(words) for words, _ in corpus]
    with TemporaryDirectory() as folder:
        path = written("\n".join(parts), Path(folder) / "data")
        docs = converted(path, name, Path(folder), on_problem="skip") or []
    for doc in docs:
        text = doc.text.rstrip()
        if text in truth and again.count(text) == 1:
            assert [(ent.text, ent.label_) for ent in doc.ents] == entities_of(*truth[text])
