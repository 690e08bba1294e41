"""The corpus that ships: its counts, its tags, and how the splits differ."""

import re
from collections import Counter
from pathlib import Path

import pytest

ASSETS = Path(__file__).parent.parent / "assets"
CORPUS = ASSETS / "four-domains"
SPLITS = ("train", "dev", "test")
DOMAINS = ("biomedical", "financial", "legal", "news")
LABELS = {
    *("PERSON", "ORG", "PLACE", "DATE", "MONEY"),
    *("DISEASE", "CHEMICAL", "GENE", "LAW"),
}


def read(split, domain):
    """Documents of sentences of (word, tag) pairs."""
    text = (CORPUS / split / f"{domain}.conll").read_text(encoding="utf8")
    assert text.startswith("-DOCSTART- -X- O O\n\n")
    documents = text.split("-DOCSTART- -X- O O\n\n")[1:]
    return [
        [
            [tuple(line.split(" ")) for line in sent.splitlines()]
            for sent in doc.split("\n\n")
            if sent
        ]
        for doc in documents
    ]


def entities(sentence):
    found = []
    for word, tag in sentence:
        if tag.startswith("B-"):
            found.append([tag[2:], word])
        elif tag.startswith("I-"):
            found[-1].append(word)
    return [(label, " ".join(words)) for label, *words in found]


@pytest.fixture(scope="module")
def corpus():
    return {(split, domain): read(split, domain) for split in SPLITS for domain in DOMAINS}


def sentences(corpus, *, split=None, domain=None):
    for (a_split, a_domain), documents in corpus.items():
        if split in (None, a_split) and domain in (None, a_domain):
            for document in documents:
                yield from document


def test_tags_are_well_formed_iob2(corpus):
    for sentence in sentences(corpus):
        previous = "O"
        for pair in sentence:
            assert len(pair) == 2, pair
            word, tag = pair
            assert word
            assert word.strip() == word
            assert re.fullmatch(r"O|[BI]-[A-Z]+", tag)
            assert tag == "O" or tag[2:] in LABELS
            if tag.startswith("I-"):
                assert previous in (f"B-{tag[2:]}", tag)
            previous = tag


def test_there_is_enough_and_nothing_twice(corpus):
    texts = Counter(" ".join(word for word, _ in sentence) for sentence in sentences(corpus))
    assert len(texts) >= 800
    assert max(texts.values()) == 1


def test_no_template_was_expanded(corpus):
    """Sentences that are alike but for their entities would be counted together here."""
    shapes = Counter(
        " ".join(tag if tag != "O" else word.lower() for word, tag in sentence)
        for sentence in sentences(corpus)
        if len(sentence) > 6
    )
    assert [shape for shape, count in shapes.items() if count > 1] == []


def test_most_test_entities_are_not_in_the_training_part(corpus):
    known = {ent for sentence in sentences(corpus, split="train") for ent in entities(sentence)}
    test = {ent for sentence in sentences(corpus, split="test") for ent in entities(sentence)}
    assert len(test - known) > 0.9 * len(test)


def test_documents_are_short(corpus):
    assert all(2 <= len(doc) <= 8 for documents in corpus.values() for doc in documents)


def count_entities(found):
    return Counter(label for sentence in found for label, _ in entities(sentence))


def test_the_readme_counts_what_is_there(corpus):
    tables, title = {}, ""
    for line in (ASSETS / "README.md").read_text(encoding="utf8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and all(cell.isdigit() for cell in cells[1:]):
            tables[title][cells[0]] = [int(cell) for cell in cells[1:]]
        elif line.startswith("|") and not set(line) <= set("|- "):
            title = cells[0]
            tables[title] = {}

    by_split = [list(sentences(corpus, split=split)) for split in SPLITS]
    sizes = {
        domain: [len(list(sentences(corpus, split=split, domain=domain))) for split in SPLITS]
        for domain in DOMAINS
    }
    sizes["all sentences"] = [len(found) for found in by_split]
    sizes["all documents"] = [sum(len(corpus[s, d]) for d in DOMAINS) for s in SPLITS]
    assert tables["sentences"] == sizes

    counts = [count_entities(found) for found in by_split]
    labels = {label: [count[label] for count in counts] for label in LABELS}
    labels["all entities"] = [sum(count.values()) for count in counts]
    assert tables["entities"] == labels

    counts = [count_entities(sentences(corpus, domain=domain)) for domain in DOMAINS]
    assert tables["entities by domain"] == {
        label: [count[label] for count in counts] for label in LABELS
    }
