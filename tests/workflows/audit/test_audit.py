"""Annotation that is wrong: what shows without a model, and what models say."""

import json

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_bilstm_crf.workflows import audit
from spacy_bilstm_crf.workflows.audit import Suspect
from spacy_bilstm_crf.workflows.audit.checks import find_problems
from spacy_bilstm_crf.workflows.audit.held_out import entity_counts, judged
from spacy_bilstm_crf.workflows.audit.page import audit_page
from spacy_bilstm_crf.workflows.audit.suspects import (
    ANNOTATED,
    NOT_ANNOTATED,
    ScoredEntity,
    as_prodigy,
    ranked,
    suspects_of,
)
from spacy_bilstm_crf.workflows.cross_validation.folds import Fold, fold_of_docs
from tests.helpers import CONFIG, SMALL_TRAINING, make_nlp, spacy_command, trained_nlp

NLP = spacy.blank("en")


def annotated(words, *entities, spaces=None):
    doc = Doc(NLP.vocab, words=words, spaces=spaces)
    doc.ents = [Span(doc, *entity) for entity in entities]
    return doc


def as_examples(docs):
    return [Example(NLP.make_doc(doc.text), doc) for doc in docs]


def kinds(found):
    return [(problem.kind, problem.part, problem.doc) for problem in found]


def test_entities_that_are_no_whole_tokens():
    # The tokenizer has "Londoners" as one token
    doc = annotated(
        ["The", "London", "ers", "left"], (1, 2, "GPE"), spaces=[True, False, True, False]
    )
    (problem, *rare) = find_problems({"train": as_examples([doc])})
    assert problem[:5] == ("not on tokens", "train", 0, 4, 10)
    assert (
        "'London' (GPE)" in problem.message and "nearest tokens are 'Londoners'" in problem.message
    )
    assert kinds(rare) == [("rare label", "train", None)]


def test_the_same_words_annotated_differently_and_in_two_parts():
    words = ["Ada", "lives", "in", "Paris"]
    one = annotated(words, (0, 1, "PERSON"))
    other = annotated(["Ada", "lives", "\n", "in", "Paris"], (0, 1, "PERSON"), (4, 5, "GPE"))
    found = find_problems({"train": as_examples([one, one]), "dev": as_examples([other])})
    assert kinds(found) == [
        ("annotated differently", "dev", 0),
        ("in two parts", "dev", 0),
        ("rare label", "train", None),
    ]
    assert "'Paris' (GPE)" in found[0].message and "doc 0 of train" in found[0].message
    unknown = Doc(NLP.vocab, words=words)
    found = find_problems({"train": as_examples([one, unknown])})
    assert "annotated differently" not in [kind for kind, *_ in kinds(found)]


def test_spans_twice_and_overlapping():
    doc = annotated(["a", "b", "c"])
    doc.spans["sc"] = [Span(doc, 0, 2, "X"), Span(doc, 0, 2, "X"), Span(doc, 1, 3, "Y")]
    found = find_problems({"train": as_examples([doc])})
    assert kinds(found) == [("twice", "train", 0), ("overlapping", "train", 0)]


def test_labels_are_rare_below_ten():
    docs = [annotated(["Ada", str(i)], (0, 1, "PERSON")) for i in range(9)]
    assert kinds(find_problems({"train": as_examples(docs)})) == [("rare label", "train", None)]
    docs.append(annotated(["Ada", "9"], (0, 1, "PERSON")))
    assert find_problems({"train": as_examples(docs)}) == []


def test_suspects_by_hand():
    gold = [
        ScoredEntity(0, 5, "A", 0.9, outside=0.05),
        ScoredEntity(10, 15, "A", 0.1, outside=0.1),
        ScoredEntity(20, 25, "B", 0.3),
        ScoredEntity(50, 55, "A", 0.002, outside=0.99),
        ScoredEntity(60, 65, "A", 0.45, outside=0.3),
    ]
    found = [
        ScoredEntity(0, 5, "A", 0.9),
        ScoredEntity(9, 15, "A", 0.8),
        ScoredEntity(9, 13, "A", 0.05),
        ScoredEntity(20, 25, "A", 0.6),
        ScoredEntity(30, 35, "B", 0.7),
        ScoredEntity(30, 32, "B", 0.2),
        ScoredEntity(40, 45, "A", 0.3, inside=0.9),
        ScoredEntity(43, 47, "A", 0.25, inside=0.95),
        ScoredEntity(51, 55, "PER", 0.0004),
        ScoredEntity(60, 64, "A", 0.2),
    ]
    suspects = suspects_of(7, gold, found)
    assert [(s.kind, s.entity, s.prefers, round(s.suspicion, 9)) for s in suspects] == [
        (ANNOTATED, gold[0], gold[0], 0.1),
        (ANNOTATED, gold[1], found[1], 0.9),
        (ANNOTATED, gold[2], found[3], 0.7),
        (ANNOTATED, gold[3], None, 0.998),  # not the entity of 0.0004
        (ANNOTATED, gold[4], gold[4], 0.55),  # unsure, but of nothing more sure
        (NOT_ANNOTATED, found[4], found[4], 0.7),
        (NOT_ANNOTATED, found[6], found[6], 0.9),
    ]
    assert [s.preference for s in suspects] == [0.9, 0.8, 0.6, 0.99, 0.45, 0.7, 0.3]
    assert [s.entity for s in ranked(suspects, least=0.5)] == [
        *(gold[3], gold[1], found[6], gold[2], found[4], gold[4])
    ]


def test_long_entities_are_not_suspect_for_their_length():
    long, short = ScoredEntity(0, 20, "A", 0.25, n_tokens=4), ScoredEntity(30, 33, "A", 0.3)
    found = ScoredEntity(40, 43, "A", 0.6, inside=0.6)
    first, second, third = ranked(suspects_of(0, [long, short], [found]))
    assert [one.entity for one in (first, second, third)] == [short, found, long]
    assert [round(one.suspicion, 9) for one in (first, second, third)] == [0.7, 0.6, 0.75]
    assert [round(one.rank, 9) for one in (first, second, third)] == [0.7, 0.6, 0.5]


def test_suspects_without_probabilities():
    gold = [ScoredEntity(0, 5, "A", None), ScoredEntity(10, 15, "A", None)]
    found = [
        ScoredEntity(0, 5, "A", None),
        ScoredEntity(10, 15, "B", None),
        ScoredEntity(20, 25, "B", None),
    ]
    suspects = ranked(suspects_of(0, gold, found), least=0.5)
    assert [(s.kind, s.entity, s.prefers) for s in suspects] == [
        (ANNOTATED, gold[1], found[1]),
        (NOT_ANNOTATED, found[2], found[2]),
    ]


def test_copies_of_a_doc_are_in_one_fold():
    docs = [annotated(["doc", str(i % 20)]) for i in range(60)]
    place = fold_of_docs(docs, 5, seed=0)
    assert place[:20] == place[20:40] == place[40:]
    assert sorted(place.count(fold) for fold in range(5)) == [12] * 5
    assert fold_of_docs(docs, 5, seed=1) != place
    with pytest.raises(ValueError, match="20 different docs can't be split into 21 folds"):
        fold_of_docs(docs, 21, seed=0)


def test_a_suspect_as_a_task():
    doc = annotated(["Ada", "lives", "here"], (0, 1, "PERSON"))
    entity, other = ScoredEntity(0, 3, "PERSON", 0.25), ScoredEntity(0, 9, "ORG", 0.5)
    task = as_prodigy(Suspect(0, ANNOTATED, entity, other, 0.75, 0.5), *as_examples([doc]))
    assert task["meta"]["preference"] == 0.5
    assert task["text"] == doc.text
    assert task["spans"] == [
        {"start": 0, "end": 3, "label": "PERSON", "text": "Ada", "token_start": 0, "token_end": 0}
    ]
    assert [token["text"] for token in task["tokens"]] == ["Ada", "lives", "here"]
    assert task["meta"]["suspicion"] == 0.75 and task["meta"]["score"] == 0.25
    assert task["meta"]["model_prefers"]["text"] == "Ada lives"


def test_the_page_shows_texts_as_they_are():
    doc = annotated(["<script>alert(1)</script>", "&", "Ada"], (2, 3, "<b>"))
    examples = as_examples([doc])
    entity = ScoredEntity(28, 31, "<b>", 0.1)
    suspects = [
        Suspect(0, ANNOTATED, entity, None, 0.9, 0.87),
        Suspect(0, ANNOTATED, entity, entity, 0.9, 0.1),
        Suspect(0, ANNOTATED, entity, ScoredEntity(26, 31, "C", 0.6), 0.9, 0.6),
        Suspect(0, NOT_ANNOTATED, entity, entity, 0.9, 0.1),
    ]
    said = ["Suspects: <4>"]
    page = audit_page("x.spacy", examples, find_problems({"train": examples}), suspects, said)
    assert "<p>Suspects: &lt;4&gt;</p>" in page
    assert "<script>" not in page and "&lt;script&gt;" in page and "&lt;b&gt;" in page
    page = " ".join(page.split())
    for words in (
        "0.900, annotated; the model prefers no entity (0.870), doc 0",
        "annotated; the model prefers it, too (0.100), doc 0",
        "annotated; the model prefers “&amp; Ada” as C (0.600), doc 0",
        "not annotated; the model's most probable entity here (0.100), doc 0",
        "The bar is that model's probability that the annotation is wrong there",
    ):
        assert words in page
    assert "http://" not in page and "https://" not in page
    assert "Probable label errors" not in audit_page("x.spacy", examples, [], None)


def wrong_corpus(path):
    """Thirty sentences of two kinds, one of which has a wrong label and one no entity."""
    docs = []
    for i in range(30):
        docs.append(annotated(["I", "like", "London", "and", str(i)], (2, 3, "LOC")))
        docs.append(annotated(["Who", "is", "Ada", "Khan", "of", str(i)], (2, 4, "PERSON")))
    docs[6] = annotated(["I", "like", "London", "and", "3"], (2, 3, "PERSON"))
    docs[11] = annotated(["Who", "is", "Ada", "Khan", "of", "5"])
    DocBin(docs=docs).to_disk(path)
    return path


def test_words_with_unknown_spaces_are_tokens_as_in_training():
    doc = annotated(["via", "#Ada"], (1, 2, "PERSON"))  # which the tokenizer cuts in two
    (found,) = judged(Fold([0], make_nlp()), [doc], "ner")
    assert [entity.n_tokens for entity in found.annotated] == [1]


def test_counts_for_the_score_of_the_models():
    doc = annotated(["Ada", "saw", "Rome"], (0, 1, "PERSON"), (2, 3, "GPE"))
    found = [ScoredEntity(0, 3, "PERSON", 0.9), ScoredEntity(8, 12, "LOC", 0.9)]
    assert entity_counts(doc, found).tolist() == [2, 1, 2, 1]
    nlp = trained_nlp()
    docs = [
        annotated(["I", "like", "London", "."], (2, 3, "LOC")),
        Doc(NLP.vocab, words=["London"]),
    ]
    first, second = judged(Fold([0, 1], nlp), docs, "ner")
    assert [(one.start, one.label) for one in first.found] == [(7, "LOC")]
    assert second.found == second.possible == []  # no annotation to compare with


@pytest.mark.slow
@pytest.mark.parametrize("factory", ["bilstm_crf_ner", "ner"])
def test_models_find_what_is_wrong(factory, tmp_path):
    config = CONFIG
    training = [*SMALL_TRAINING, "--training.max_steps=150"]
    if factory == "ner":
        config = tmp_path / "stock.cfg"
        spacy_command("init", "config", config, "--pipeline", "ner")
        training = ["--training.max_steps=60", "--training.eval_frequency=20"]
    data, output = wrong_corpus(tmp_path / "train.spacy"), tmp_path / "audit"
    arguments = [config, data, "--output", output, "--folds", "3", *training]
    printed = spacy_command("bilstm-crf", "audit", *arguments)
    tasks = [json.loads(line) for line in (output / "suspects.jsonl").open()]
    worst = {(t["meta"]["doc"], t["meta"]["kind"], t["spans"][0]["text"]) for t in tasks[:2]}
    assert worst == {(6, ANNOTATED, "London"), (11, NOT_ANNOTATED, "Ada Khan")}
    (of_london,) = [task["meta"] for task in tasks if task["meta"]["doc"] == 6]
    assert of_london["model_prefers"]["label"] == "LOC"
    assert (of_london["score"] is None) == (factory == "ner")
    n_annotated = sum(task["meta"]["kind"] == ANNOTATED for task in tasks)
    said = (
        f"Suspects: {n_annotated} of 59 annotated entities, and {len(tasks) - n_annotated} places"
    )
    assert said in printed and "the models have an F of 9" in printed
    assert ("--least" in printed) == (factory == "bilstm_crf_ner")
    assert said in (output / "audit.html").read_text()
    assert (output / "audit.html").read_text().count("<li>") >= len(tasks)
    assert (output / "problems.jsonl").exists()
    printed = spacy_command("bilstm-crf", "audit", *arguments, exit_codes=(1,))
    assert "--force" in printed


def test_from_python_it_takes_docs_and_tells_of_folds(tmp_path):
    docs = [annotated(["I", "like", "London", str(i)], (2, 3, "LOC")) for i in range(12)]
    overrides = dict(option.removeprefix("--").split("=") for option in SMALL_TRAINING)
    overrides = {name: json.loads(value) for name, value in overrides.items()}
    folds = []
    found = audit(
        CONFIG,
        docs,
        dev=docs[:1],
        folds=2,
        least=0.0,
        overrides={**overrides, "training.max_steps": 2},
        on_fold=lambda *fold: folds.append(fold),
    )
    assert folds == [(1, 2), (2, 2)]
    assert {problem.kind for problem in found.problems} == {"in two parts"}
    assert len(found.suspects) >= len(docs)
    counts, f, weak = found.said
    assert f"{len(docs)} of {len(docs)} annotated entities" in counts and "at least 0 " in counts
    assert f"not seen, the models have an F of {100 * found.f:.1f}." in f and found.f < 0.5
    assert "That is weak" in weak and "Train them longer" in weak
    assert repr(found) == "\n".join(["Problems of the data: 1.", counts, f, weak])
    assert "That is weak" in found.html
    assert "Audit of in-memory docs" in found.html and found._repr_html_().startswith("<iframe ")
    found.to_disk(tmp_path / "new")
    assert len((tmp_path / "new" / "suspects.jsonl").read_text().splitlines()) == len(
        found.suspects
    )
    with pytest.raises(ValueError, match="least"):
        audit(CONFIG, docs, least=2.0)


def test_bad_input_ends_in_one_line(corpus, tmp_path):
    empty = tmp_path / "empty.spacy"
    DocBin(docs=[Doc(NLP.vocab, words=["a"])]).to_disk(empty)
    (tmp_path / "bad.cfg").write_text("[nlp]\nlang = 3\n")
    for arguments, said in (
        ([tmp_path / "no.cfg", corpus], "There is no file"),
        ([tmp_path / "bad.cfg", corpus], "can't be used: "),
        ([CONFIG, tmp_path / "no.spacy"], "no.spacy' does not exist"),
        ([CONFIG, empty], "no entity in any of them"),
        ([CONFIG, corpus, "--folds", "1"], "folds (--folds) is 1: use 2 or more"),
        ([CONFIG, corpus, "--folds", "3000"], "can't be split into 3000 folds"),
        ([CONFIG, corpus, "--component", "tagger"], "no component 'tagger'. It has: ner"),
        ([CONFIG, corpus, "--least", "5"], "'--least': Input should be less than or equal to 1"),
        ([CONFIG, corpus, "--training.max_steps", "many"], "can't be used: "),
    ):
        output = tmp_path / "out"
        command = ["bilstm-crf", "audit", *arguments, "--output", output]
        printed = spacy_command(*command, exit_codes=(1,))
        assert said in printed
        assert len([line for line in printed.splitlines() if line.startswith("Error: ")]) == 1
        assert not output.exists()
    printed = spacy_command(
        *("bilstm-crf", "audit", CONFIG, corpus, "--output", empty), exit_codes=(1,)
    )
    assert "is a file. Name a folder" in printed
    spacy_command("bilstm-crf", "audit", CONFIG, corpus, "--folds", "0", "--output", output)
    assert (output / "problems.jsonl").exists()
