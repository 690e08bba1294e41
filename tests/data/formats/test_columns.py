"""CoNLL columns: schemes, separators, what is no tag, and tags that no scheme has."""

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import DocSettings, Findings, FormatSettings, read, write
from spacy_bilstm_crf.data.formats.columns import ColumnSettings


def converted(tmp_path, text, on_problem="missing", findings=None, **columns):
    path = tmp_path / "data.conll"
    path.write_bytes(text.encode("utf8"))
    settings = FormatSettings(docs=DocSettings(on_problem), columns=ColumnSettings(**columns))
    return list(read(path, "conll", settings, Findings() if findings is None else findings))


def found(docs):
    return [[(ent.text, ent.label_) for ent in doc.ents] for doc in docs]


def iob(doc):
    """Its tokens: B, I, O, or a dot where nothing is known."""
    return "".join(token.ent_iob_ or "." for token in doc)


@pytest.mark.parametrize(
    "tags, entities, expected",
    [
        ("B-LOC I-LOC O", ["a b"], "BIO"),  # IOB2
        ("I-LOC I-LOC B-LOC", ["a b", "c"], "BIB"),  # IOB1
        ("B-LOC L-LOC U-LOC", ["a b", "c"], "BIB"),
        ("B-LOC E-LOC S-LOC", ["a b", "c"], "BIB"),
        ("U-LOC ? O", ["a"], "B.O"),
        ("B-LOC L-LOC -", ["a b"], "BI."),
        ("? B-LOC O", ["b"], ".BO"),
        # What may go on in a token that is not known, or have begun there, is not known either
        ("B-LOC ? I-LOC", [], "..."),
        ("B-LOC I-LOC ?", [], "..."),
        ("? I-LOC O", [], "..O"),
        ("? L-LOC U-LOC", ["c"], "..B"),
    ],
)
def test_tags_of_all_schemes(tags, entities, expected, tmp_path):
    findings = Findings()
    lines = [f"{word} {tag}" for word, tag in zip("abc", tags.split(), strict=True)]
    (doc,) = converted(tmp_path, "\n".join(lines) + "\n", findings=findings)
    assert found([doc]) == [[(text, "LOC") for text in entities]]
    assert iob(doc) == expected
    assert not findings.problems


@pytest.mark.parametrize(
    "scheme, tags, bad, expected",
    [
        ("auto", "B-LOC O I-LOC", "c", "BO."),  # I starts no entity of IOB2
        ("auto", "B-LOC I-PER O", "b", "B.O"),
        ("auto", "B-LOC O U-LOC", "a", ".OB"),  # BILUO, in which B goes on
        ("auto", "I-LOC L-LOC U-LOC", "a b", "..B"),
        ("auto", "B-LOC E-LOC B-PER", "c", "BI."),
        ("iob2", "I-LOC I-LOC O", "a b", "..O"),
        ("bioes", "B-LOC L-LOC O", "a b", "..O"),
        ("biluo", "U-LOC I-LOC O", "b", "B.O"),
    ],
)
def test_tags_that_the_scheme_does_not_have(scheme, tags, bad, expected, tmp_path):
    findings = Findings()
    lines = [f"{word} {tag}" for word, tag in zip("abc", tags.split(), strict=True)]
    (doc,) = converted(tmp_path, "x O\n\n" + "\n".join(lines), findings=findings, scheme=scheme)[1:]
    assert iob(doc) == expected
    (problem,) = findings.problems
    assert problem.kind == "invalid tags"
    assert problem.message.startswith(f"{bad!r} is tagged")
    assert problem.place.endswith(f":{3 + 'abc'.index(bad[0])}")
    assert doc.text[problem.start : problem.end] == bad


def test_a_file_without_a_scheme_of_its_own_has_to_be_given_one(tmp_path):
    text = "a S-LOC\nb B-LOC\nc L-LOC\n"
    with pytest.raises(UserError, match=r"mixes tags of BILUO .* and BIOES .*--scheme"):
        converted(tmp_path, text)
    findings = Findings()
    (doc,) = converted(tmp_path, text, findings=findings, scheme="biluo")
    assert (iob(doc), len(findings.problems)) == (".BI", 1)


def test_sentences_and_docs(tmp_path):
    text = "\ufeff-DOCSTART- -X- -X- O\r\n\r\nAda NN ?\r\nmet VB O\r\n\r\nBob\x85by NN S-PER\r\n"
    (doc,) = converted(tmp_path, text + "-DOCSTART- -X- O O\n\n", pos=1)
    assert [sent.text for sent in doc.sents] == ["Ada met", "Bob\x85by"]
    assert [token.tag_ for token in doc] == ["NN", "VB", "NN"]
    assert found([doc]) == [[("Bob\x85by", "PER")]]
    assert iob(doc) == ".OB"
    assert len(converted(tmp_path, "Ada U-PER\n\n\nHe O\n")) == 2
    assert len(converted(tmp_path, "Ada U-PER\n\t\nHe O\n")) == 2  # as in WNUT-17
    # Some copies of CoNLL-2003 lack the first line
    docs = converted(tmp_path, "Ada U-PER\n\nHe O\n\n-DOCSTART- O\n\nBob U-PER\n")
    assert [len(list(doc.sents)) for doc in docs] == [2, 1]


def test_any_columns_with_any_separator_and_comments(tmp_path):
    text = "# sent_id = 1\n1\tNew York\tB-LOC\t_\n2\t\U0001f600\tO\t_\n"
    (doc,) = converted(tmp_path, text, separator="\t", word=1, tag=2, comment="#")
    assert [token.text for token in doc] == ["New York", "\U0001f600"]
    assert found([doc]) == [[("New York", "LOC")]]
    (doc,) = converted(tmp_path, "O,Ada\nB-LOC,Rome\n", separator=",", word=1, tag=0)
    assert found([doc]) == [[("Rome", "LOC")]]
    findings = Findings()
    converted(tmp_path, text, findings=findings, separator="\t", word=1, tag=2)
    (problem,) = findings.problems
    assert problem.place.endswith("conll:1") and "--comment '#'" in problem.message


def test_a_column_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="column 5 is empty on most lines"):
        converted(tmp_path, "Ada U-PER\n", word=5)


@pytest.fixture
def doc():
    nlp = spacy.blank("xx")
    doc = Doc(
        nlp.vocab, words=["Ada", "Bo", "\n", "in", "New York", "x"], sent_starts=[1, 0, 0, 1, 0, 0]
    )
    doc.set_ents(
        [Span(doc, 0, 1, "PER"), Span(doc, 1, 2, "PER"), Span(doc, 4, 5, "LOC")],
        missing=[doc[5:6]],
        default="outside",
    )
    return doc


@pytest.mark.parametrize(
    "scheme, tags",
    [
        ("auto", ["U-PER", "U-PER", "O", "U-LOC", "?"]),
        ("iob2", ["B-PER", "B-PER", "O", "B-LOC", "?"]),
        ("iob1", ["I-PER", "B-PER", "O", "I-LOC", "?"]),
        ("biluo", ["U-PER", "U-PER", "O", "U-LOC", "?"]),
        ("bioes", ["S-PER", "S-PER", "O", "S-LOC", "?"]),
    ],
)
def test_writing_of_all_schemes(doc, scheme, tags, tmp_path):
    findings = Findings()
    path = tmp_path / "out.conll"
    write([doc], path, "conll", FormatSettings(columns=ColumnSettings(scheme)), findings)
    lines = path.read_text(encoding="utf8").split("\n")
    assert lines[0].startswith("-DOCSTART-")
    written = [line.split("\t") for line in lines if "\t" in line and "DOCSTART" not in line]
    assert written == [list(pair) for pair in zip(["Ada", "Bo", "in", "New_York", "x"], tags)]
    assert findings.notes["tokens of white space left out"] == 1
    assert findings.notes["blanks inside of a token written as _"] == 1
    settings = FormatSettings(columns=ColumnSettings(scheme))
    (back,) = read(path, "conll", settings, findings)
    # Without a last tag it may go on in the token that is not known
    is_lost = scheme in ("iob1", "iob2")
    assert [ent.label_ for ent in back.ents] == ["PER", "PER", "LOC"][: 2 if is_lost else 3]
    what = "entities beside unknown tokens that are not known any more: write biluo or bioes"
    assert findings.notes[what] == is_lost
    assert [sent.text for sent in back.sents] == ["Ada Bo", "in New_York x"]
    assert not findings.problems


def test_entities_keep_their_tags_without_white_space_and_over_sentences(tmp_path):
    nlp = spacy.blank("xx")
    words = ["\n", "Ada", "\n", "Lee", " ", "met", "Bo", ".", "\n"]
    doc = Doc(nlp.vocab, words=words, sent_starts=[1, 0, 0, 1, 0, 1, 0, 0, 0])
    ents = [Span(doc, 0, 5, "PER"), Span(doc, 6, 7, "PER"), Span(doc, 8, 9, "PER")]
    doc.set_ents(ents)
    for scheme in ("auto", "iob1", "biluo"):
        findings = Findings()
        settings = FormatSettings(columns=ColumnSettings(scheme))
        write([doc], tmp_path / "out.conll", "conll", settings, findings)
        assert findings.notes["sentence boundaries inside of entities left out"] == 1
        assert findings.notes["entities of white space alone left out"] == 1
        (back,) = read(tmp_path / "out.conll", "conll", settings, findings)
        assert not findings.problems
        assert [ent.text for ent in back.ents] == ["Ada Lee", "Bo"]
        assert [sent.text for sent in back.sents] == ["Ada Lee", "met Bo ."]


def test_odd_words_come_back_as_they_are(tmp_path):
    words = ["\ufeff", "Ada", "-DOCSTART-", "\u2028x", "\x00", '"', "O", "#", "?", "\ufeff\u2028"]
    doc = Doc(spacy.blank("xx").vocab, words=words, ents=["B-PER", "I-PER", *["O"] * 8])
    for name in ("out.conll", "out.csv"):
        findings = Findings()
        separator = "," if name == "out.csv" else None
        settings = FormatSettings(columns=ColumnSettings(separator=separator))
        write([doc], tmp_path / name, "conll", settings, findings)
        assert findings.notes["words -DOCSTART- written as _DOCSTART_"] == 1
        (back,) = read(tmp_path / name, "conll", FormatSettings(), findings)
        assert not findings.problems
        assert [token.text.replace("_", "-") for token in back] == words
        assert found([back]) == [[("\ufeff Ada", "PER")]]
