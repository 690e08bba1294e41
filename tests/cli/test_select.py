"""`select`: texts of any file, suggestions as tasks, and what it refuses."""

import json
from typing import get_args

import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin

from spacy_bilstm_crf.cli.format_options import WritableName
from spacy_bilstm_crf.data.formats import Findings, FormatSettings, read
from spacy_bilstm_crf.data.formats.docs import predictions_of
from tests.helpers import spacy_command, trained_nlp, unsure_nlp

TEXTS = ["I can't like London.", "Who is Shaka Khan?", "Ada saw Rome and Berlin", "stones"]


def select(*arguments, exit_codes=(0,)):
    return spacy_command("bilstm-crf", "select", *arguments, exit_codes=exit_codes)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    path = tmp_path_factory.mktemp("pipeline") / "model"
    trained_nlp().to_disk(path)
    return path


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.jsonl"
    lines = [{"text": text, "id": i, "meta": {"source": "x"}} for i, text in enumerate(TEXTS)]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.mark.parametrize("strategy", ["entropy", "margin", "diverse"])
def test_tasks_have_what_the_model_takes_for_entities(strategy, pipeline, texts, tmp_path):
    output = tmp_path / "new" / "tasks.jsonl"
    said = select(pipeline, texts, "--output", output, "--n", 3, "--strategy", strategy)
    assert "3 of 4 documents" in said
    tasks = list(srsly.read_jsonl(output))
    scores = [task["meta"].pop("score") for task in tasks]
    assert len(tasks) == 3 and scores == sorted(scores, reverse=True)
    nlp = spacy.load(pipeline)
    for task in tasks:
        assert "answer" not in task
        assert (task["text"], task["meta"]) == (TEXTS[int(task["id"])], {"source": "x"})
        ents = nlp(task["text"]).ents
        assert [(s["start"], s["end"], s["label"]) for s in task["spans"]] == [
            (ent.start_char, ent.end_char, ent.label_) for ent in ents
        ]
        assert [s["score"] for s in task["spans"]] == pytest.approx([e._.confidence for e in ents])


def test_texts_of_all_files_and_other_formats(pipeline, texts, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_text("\ufeffI like London.\n\n  \nstones\u2028and\n", encoding="utf8")
    (folder / "b.jsonl").write_text('{"words": "Ada"}\n')
    nlp = spacy.blank("en")
    DocBin(docs=[nlp.make_doc("Who is Shaka Khan?")]).to_disk(folder / "c.spacy")
    (folder / "d.pdf").write_text("no text")
    output = tmp_path / "tasks.json"
    arguments = ("--text-key", "words", "--to", "label-studio", "--lines", "--output", output)
    select(pipeline, folder, *arguments)
    tasks = srsly.read_json(output)
    found = {task["data"]["words"] for task in tasks}
    assert found == {"I like London.", "stones\u2028and", "Ada", "Who is Shaka Khan?"}
    assert all("predictions" in task or "annotations" not in task for task in tasks)

    DocBin(docs=[nlp.make_doc("Who is Shaka Khan?")]).to_disk(tmp_path / "known.spacy")
    select(pipeline, folder, *arguments, "--exclude", tmp_path / "known.spacy", "--force")
    assert len(srsly.read_json(output)) == 3


FORMAT_NAMES = get_args(WritableName)


@pytest.mark.parametrize("target", FORMAT_NAMES)
def test_suggestions_come_back_from_every_format(target, pipeline, tmp_path):
    texts = tmp_path / "texts.csv"
    texts.write_text("nr,text\na,I like London.\nb,Who is Shaka Khan?\n")
    output = tmp_path / "out" / "tasks"
    select(pipeline, texts, "--to", target, "--id-key", "nr", "--output", output)
    docs = read(output, target, FormatSettings("en"), Findings())
    nlp = spacy.load(pipeline)
    for doc in docs:
        found = [span for span, _ in predictions_of(doc)] or doc.ents
        expected = nlp(doc.text).ents
        assert [(str(e), e.label_) for e in found] == [(str(e), e.label_) for e in expected] != []
        assert target == "conll" or doc.user_data["id"] in ("a", "b")


@pytest.mark.parametrize("target", ["prodigy", "label-studio"])
def test_answers_about_single_entities_become_partial_annotation(target, texts, tmp_path):
    """An annotator accepts what the true docs have and rejects the rest, in the tool's format."""
    nlp = unsure_nlp()
    nlp.to_disk(tmp_path / "model")
    output = tmp_path / "tasks.json"
    options = ("--spans", "--n", 5, "--to", target, "--output", output)
    said = select(tmp_path / "model", texts, *options)
    assert "5 questions about" in said and "of 4 documents" in said
    tasks = srsly.read_json(output) if target == "label-studio" else list(srsly.read_jsonl(output))
    asked = []
    for i, task in enumerate(tasks):
        answer = ("accept", "reject")[i % 2]
        if target == "prodigy":
            (span,) = task["spans"]
            task["answer"] = answer
            where = (task["text"], span["start"], span["end"], span["label"])
        else:
            (prediction,) = task["predictions"]
            (region,) = prediction["result"]
            choice = {"from_name": "answer", "type": "choices", "value": {"choices": [answer]}}
            task["annotations"] = [{"result": [region, choice]}]
            value = region["value"]
            where = (task["data"]["text"], value["start"], value["end"], *value["labels"])
        asked.append((where, answer))
    srsly.write_json(tmp_path / "answers.json", tasks)
    converted = ("--lang", "en", "--on-problem", "missing")
    spacy_command(
        *("bilstm-crf", "convert", tmp_path / "answers.json", tmp_path / "a.spacy", *converted)
    )
    docs = list(DocBin().from_disk(tmp_path / "a.spacy").get_docs(spacy.blank("en").vocab))
    assert sorted(doc.text for doc in docs) == sorted({text for (text, *_), _ in asked})
    wrong = {
        (doc.text, span.start_char, span.end_char, span.label_)
        for doc in docs
        for span in doc.spans.get("incorrect_spans", ())
    }
    assert wrong == {where for where, answer in asked if answer == "reject"}
    right = {(d.text, e.start_char, e.end_char, e.label_) for d in docs for e in d.ents}
    assert right <= {where for where, answer in asked if answer == "accept"}
    assert right or all(token.ent_iob == 0 for doc in docs for token in doc)
    # What was answered is not asked again
    again = tmp_path / "again.jsonl"
    options = ("--spans", "--n", 99, "--exclude", tmp_path / "a.spacy", "--output", again)
    select(tmp_path / "model", texts, *options)
    asked_again = {
        (task["text"], s["start"], s["end"], s["label"])
        for task in srsly.read_jsonl(again)
        for s in task["spans"]
    }
    assert asked_again and not asked_again & (wrong | right)


def test_a_folder_is_replaced_by_force_if_it_has_the_formats_files(pipeline, texts, tmp_path):
    output = tmp_path / "brat"
    arguments = (pipeline, texts, "--to", "brat", "--output", output)
    select(*arguments, "--n", 3)
    assert "Replace it with --force" in select(*arguments, exit_codes=(1,))
    select(*arguments, "--n", 1, "--force")
    assert len(list(output.glob("*.txt"))) == len(list(output.glob("*.ann"))) == 1
    (output / "mine.doc").write_text("mine")
    said = select(*arguments, "--force", exit_codes=(1,))
    assert "contains files that are not brat files" in said
    (output / "mine.doc").unlink()
    said = select(pipeline, output / "0.txt", *arguments[2:], "--force", exit_codes=(1,))
    assert "one is inside the other" in said
    assert list(output.glob("*.txt"))


def test_words_of_a_file_stay_as_they_are(pipeline, tmp_path):
    words = ["Ada", "@Shaka_Khan", ":-", ")", "don't"]  # which the tokenizer cuts elsewhere
    DocBin(docs=[Doc(spacy.blank("en").vocab, words=words)]).to_disk(tmp_path / "words.spacy")
    output = tmp_path / "out.spacy"
    select(pipeline, tmp_path / "words.spacy", "--to", "spacy", "--output", output)
    (doc,) = DocBin().from_disk(output).get_docs(spacy.blank("en").vocab)
    assert [token.text for token in doc] == words and doc.has_unknown_spaces


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (("model", "nowhere.txt"), "There is no file or folder"),
        (("model", "empty.txt"), "contains no text"),
        (
            ("model", "texts.pdf"),
            "has no texts that can be read: name files ending in .txt, .jsonl",
        ),
        (("model", "latin.txt"), "latin.txt: Not UTF-8 text"),
        (("model", "latin.jsonl"), "latin.jsonl, row 1: Not UTF-8 text"),
        (
            ("model", "texts.jsonl", "--text-key", "x"),
            "texts.jsonl has no 'x'. It has: text, id, meta",
        ),
        (
            ("model", "texts.jsonl", "--text-key", "meta"),
            "row 1: The text is not a string, but dict",
        ),
        (("model", "texts.jsonl", "--strategy", "x"), "not one of 'entropy', 'margin', 'diverse'"),
        (("model", "texts.jsonl", "--spans", "--strategy", "margin"), "single entities have none"),
        (
            ("model", "texts.jsonl", "--spans", "--to", "doccano"),
            "doccano has no answers to questions about single entities: use --to prodigy or --to "
            "label-studio",
        ),
        (("model", "texts.jsonl", "--to", "x"), "'doccano', 'doccano-relations', 'gliner'"),
        (
            ("model", "texts.jsonl", "--exclude", "known.spacy"),
            "contains only texts that are excluded",
        ),
        (("model", "texts.jsonl", "--n", "0"), "Invalid value for '--n' / '-n'"),
        (
            ("model", "texts.jsonl", "--component", "x"),
            "no bilstm_crf_ner or bilstm_crf_spans component 'x'",
        ),
        (("model", "texts.jsonl", "--exclude", "x.spacy"), "path 'x.spacy' does not exist"),
        (("nowhere", "texts.jsonl"), "There is no pipeline nowhere"),
    ],
)
def test_mistakes_end_in_one_line(arguments, expected, pipeline, texts, tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "latin.txt").write_bytes("Zoë".encode("latin1"))
    (tmp_path / "latin.jsonl").write_bytes('{"text": "Zoë"}'.encode("latin1"))
    (tmp_path / "texts.pdf").write_text("x")
    xx = spacy.blank("xx")  # whose tokens are others
    DocBin(docs=[xx.make_doc(text) for text in TEXTS]).to_disk(tmp_path / "known.spacy")
    options = [tmp_path / "known.spacy" if o == "known.spacy" else o for o in arguments[2:]]
    model, path = arguments[:2]
    model = pipeline if model == "model" else model
    output = tmp_path / "out.jsonl"
    said = select(model, tmp_path / path, *options, "--output", output, exit_codes=(1,))
    (line,) = [line for line in said.strip().split("\n") if line.startswith("Error: ")]
    assert expected in line
    assert not output.exists()


def test_what_is_read_is_not_replaced(pipeline, texts, tmp_path):
    known, elsewhere = tmp_path / "known.spacy", tmp_path / "elsewhere" / "out.jsonl"
    DocBin(docs=[spacy.load(pipeline)("I like London.")]).to_disk(known)
    before = texts.read_bytes(), known.read_bytes()
    for path, output, message in (
        (texts, texts, "texts.jsonl, or one is inside the other"),
        (texts, known, "known.spacy, or one is inside the other"),
        (tmp_path, elsewhere, "or one is inside the other"),
        (texts, texts / "out.jsonl", "texts.jsonl is a file"),
    ):
        options = ("--exclude", known, "--output", output, "--force")
        said = select(pipeline, path, *options, exit_codes=(1,))
        assert message in said
    assert (texts.read_bytes(), known.read_bytes()) == before
    in_capitals = texts.rename(tmp_path / "TEXTS.JSONL")
    assert "3 of 4 documents" in select(pipeline, in_capitals, "--output", elsewhere, "--n", 3)


def test_nothing_is_replaced_unless_it_is_asked_for(pipeline, texts, tmp_path):
    output = tmp_path / "out.jsonl"
    output.write_text("mine")
    said = select(pipeline, texts, "--output", output, exit_codes=(1,))
    assert "exists. Replace it with --force" in said
    assert output.read_text() == "mine"
    said = select(pipeline, texts, "--output", tmp_path, "--force", exit_codes=(1,))
    assert "exists. Name another file" in said
