"""BioC, as the bioc library writes it in XML and in JSON."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.common import errors
from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import DocSettings, Findings, FormatSettings, read
from spacy_bilstm_crf.data.formats.guess import detected

bioc = pytest.importorskip("bioc")
biocxml = pytest.importorskip("bioc.biocxml")
biocjson = pytest.importorskip("bioc.biocjson")


def annotation(start, end, label, text, **infons):
    found = bioc.BioCAnnotation()
    found.id, found.text = "T", text
    found.infons = {**({"type": label} if label else {}), **infons}
    found.add_location(bioc.BioCLocation(start, end - start))
    return found


def passage(offset, text, *annotations, sentences=()):
    found = bioc.BioCPassage()
    found.offset, found.text = offset, text
    found.annotations = list(annotations)
    for one in sentences:
        found.add_sentence(one)
    return found


def sentence(offset, text, *annotations):
    found = bioc.BioCSentence()
    found.offset, found.text, found.annotations = offset, text, list(annotations)
    return found


def document(number, *passages):
    found = bioc.BioCDocument()
    found.id = str(number)
    for one in passages:
        found.add_passage(one)
    return found


def saved(folder, *documents):
    collection = bioc.BioCCollection()
    collection.source = collection.date = collection.key = "x"
    for one in documents:
        collection.add_document(one)
    with (folder / "a.xml").open("w", encoding="utf8") as file:
        biocxml.dump(collection, file)
    with (folder / "a.json").open("w", encoding="utf8") as file:
        biocjson.dump(collection, file)
    return folder / "a.xml", folder / "a.json"


def reading(path, findings=None):
    given_settings = FormatSettings("en", docs=DocSettings("missing"))
    return list(read(path, "bioc", given_settings, Findings() if findings is None else findings))


def ents(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


WORDS = ["Ada", "\U0001f600", "e\u0301", "don't", "<&>"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.lists(
                    st.tuples(st.sampled_from(WORDS), st.sampled_from([None, "PER", "a city"])),
                    min_size=1,
                    max_size=5,
                ),
                st.integers(1, 50),  # to the next passage
                st.booleans(),
            ),
            min_size=1,
            max_size=3,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_what_the_library_writes(tmp_path_factory, corpus):
    documents, texts = [], []
    for number, parts in enumerate(corpus):
        passages, of_doc, offset = [], [], 0
        for words, gap, in_sentence in parts:
            text = " ".join(word for word, _ in words)
            found, start = [], offset
            for word, label in words:
                if label:
                    found.append(annotation(start, start + len(word), label, word))
                start += len(word) + 1
            if in_sentence:
                passages.append(passage(offset, None, sentences=[sentence(offset, text, *found)]))
            else:
                passages.append(passage(offset, text, *found))
            of_doc.append(text)
            offset += len(text) + gap
        documents.append(document(number, *passages))
        texts.append(" ".join(of_doc))
    for path in saved(tmp_path_factory.mktemp("files"), *documents):
        findings = Findings()
        docs = reading(path, findings)
        assert [doc.text for doc in docs] == texts
        assert [doc.user_data["id"] for doc in docs] == [str(i) for i in range(len(docs))]
        assert [p.kind for p in findings.problems if p.kind != "not on tokens"] == []
        expected = [[w for words, *_ in parts for w in words if w[1]] for parts in corpus]
        if not findings.problems:  # none of which English tokens are a part
            assert [ents(doc) for doc in docs] == expected
        assert findings.n_mentions == sum(map(len, expected))
        assert detected(path, FormatSettings()) == "bioc"


def test_what_is_wrong_or_left_out(tmp_path):
    wrong = passage(0, "Ada met Bob.", annotation(4, 7, "PER", "Bob"))
    parts = annotation(0, 3, "PER", "Ada Bob", identifier="Q1")
    parts.add_location(bioc.BioCLocation(8, 3))
    nowhere = passage(0, "Ada", annotation(90, 93, "PER", "Ada"))
    relation = bioc.BioCRelation()
    relation.id = "R"
    last = passage(5, "Ada", annotation(5, 8, None, "Ada"))
    last.add_relation(relation)
    whole = [document(1, wrong), document(2, passage(0, "Ada met Bob.", parts))]
    for path in saved(tmp_path, *whole, document(3, nowhere), document(4, last)):
        findings = Findings()
        docs = reading(path, findings)
        assert [doc.user_data["id"] for doc in docs] == ["1", "2", "4"]
        assert not any(map(ents, docs))
        kinds = [problem.kind for problem in findings.problems]
        expected = {"other text than quoted", "discontinuous", "not readable", "no label"}
        assert set(kinds) == expected and len(kinds) == 4
        assert findings.notes["relations left out"] == 1
        assert findings.notes["other values of annotations left out"] == 1


def test_other_files(tmp_path, monkeypatch):
    (tmp_path / "a.xml").write_text("<collection><document>")
    (tmp_path / "a.json").write_text('{"documents": 1}')
    for name in ("a.xml", "a.json"):
        with pytest.raises(UserError, match=f"{name} is no collection of BioC") as caught:
            reading(tmp_path / name)
        assert "\n" not in str(caught.value)
    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'pip install "spacy-bilstm-crf\[bioc\]"'):
        reading(tmp_path / "a.xml")
