"""`distill`: what the student learns, what is kept, what is refused."""

import json
import shutil
import subprocess
import sys
import time

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_bilstm_crf.data import soft_labels
from spacy_bilstm_crf.data.soft_labels import SoftLabelCorpus
from tests.helpers import CONFIG, SMALL_TRAINING, entities, spacy_command, trained_nlp

TEXTS = ["Who is Shaka Khan?", "I like London and Berlin.", "I like Berlin.", "Who is Ada?"] * 5
SHORT = [*SMALL_TRAINING, "--training.batcher.size=30", "--training.max_steps=200"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    path = tmp_path_factory.mktemp("teacher") / "model"
    trained_nlp().to_disk(path)
    return path


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    return path


def distill(*arguments, exit_codes=(0,)):
    return spacy_command("bilstm-crf", "distill", *arguments, exit_codes=exit_codes)


def test_the_student_learns_the_teachers_distribution(teacher, texts, corpus, tmp_path):
    output = tmp_path / "out"
    distill(teacher, texts, CONFIG, "--output", output, "--dev", corpus, *SHORT)
    theirs, ours = spacy.load(teacher), spacy.load(output / "model-last")
    # The teacher's labels in its order, which is not the alphabet's
    assert ours.get_pipe("ner").labels == theirs.get_pipe("ner").labels == ("PERSON", "LOC")
    for text in set(TEXTS):
        known, learned = (
            nlp.get_pipe("ner").token_probabilities([nlp.make_doc(text)]) for nlp in (theirs, ours)
        )
        assert abs(known[0] - learned[0]).max() < 0.1
    # Again, with the soft labels that are there; annotated data brings a label of its own
    doc = spacy.blank("en")("It was 1833.")
    doc.ents = [doc.char_span(7, 11, label="DATE")]
    DocBin(docs=[doc]).to_disk(tmp_path / "more.spacy")
    before = sorted(
        (path.name, path.stat().st_mtime_ns) for path in (output / "soft-labels").glob("*.spacy")
    )
    options = ["--labelled", tmp_path / "more.spacy", "--temperature", 2.0]
    distill(teacher, texts, CONFIG, "--output", output, "--dev", corpus, *options, *SHORT)
    assert before == sorted(
        (path.name, path.stat().st_mtime_ns) for path in (output / "soft-labels").glob("*.spacy")
    )
    ours = spacy.load(output / "model-last")
    assert ours.get_pipe("ner").labels == ("PERSON", "LOC", "DATE")
    assert entities(ours("It was 1833.")) == [("1833", "DATE")]


def test_any_pipeline_teaches_its_entities(texts, corpus, tmp_path):
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "CITY", "pattern": "Berlin"}])
    nlp.to_disk(tmp_path / "ruler")
    output = tmp_path / "out"
    distill(tmp_path / "ruler", texts, CONFIG, "--output", output, "--dev", corpus, *SHORT)
    ours = spacy.load(output / "model-last")
    assert ours.get_pipe("ner").labels == ("CITY",)
    assert entities(ours("I like Berlin.")) == [("Berlin", "CITY")]


def test_entities_are_believed_as_often_as_they_are_probable(teacher, texts, corpus, tmp_path):
    nlp = spacy.load(teacher)
    # A vague one: half of the probability is left
    nlp.get_pipe("ner").cfg["temperature"] = 30.0
    nlp.to_disk(tmp_path / "vague")
    expected = {ent._.confidence for ent in nlp("I like Berlin.").ents if ent.text == "Berlin"}
    arguments = [tmp_path / "vague", texts, CONFIG, "--output", tmp_path, "--dev", corpus]
    distill(*arguments, "--entities", *SHORT)
    soft_labels = SoftLabelCorpus(tmp_path / "soft-labels")
    found = [
        [token.ent_iob_ for token in eg.reference if token.text == "Berlin"]
        for _ in range(100)
        for eg in soft_labels(nlp)
        if eg.reference.text == "I like Berlin."
    ]
    assert all(iob in (["B"], [""]) for iob in found)
    if expected:
        assert abs(found.count(["B"]) / len(found) - expected.pop()) < 0.1


DOCS_OF_FILE = 4
KILLED = f"""
import time
from spacy_bilstm_crf.data import soft_labels
soft_labels.DOCS_OF_FILE = {DOCS_OF_FILE}
predicted = soft_labels._predicted
def slow(*arguments):
    time.sleep(0.3)
    yield from predicted(*arguments)
soft_labels._predicted = slow
from spacy.cli import setup_cli
import spacy
spacy.util.registry.cli.get_all()
setup_cli()
"""


def test_a_run_that_was_killed_goes_on(teacher, texts, corpus, tmp_path, monkeypatch):
    arguments = [teacher, texts, CONFIG, "--output", tmp_path, "--dev", corpus, *SHORT]
    command = ["bilstm-crf", "distill", *map(str, arguments)]
    process = subprocess.Popen([sys.executable, "-c", KILLED, *command], stdout=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not (found := list(tmp_path.glob("soft-labels/000001-*"))) and time.monotonic() < until:
        time.sleep(0.01)
    process.kill()
    process.wait()
    (second,) = found
    written = second.stat().st_mtime_ns
    assert not (tmp_path / "model-last").exists()
    monkeypatch.setattr(soft_labels, "DOCS_OF_FILE", DOCS_OF_FILE)
    distill(*arguments)
    assert second.stat().st_mtime_ns == written
    nlp = spacy.load(tmp_path / "model-last")
    kept_texts = sorted(eg.reference.text for eg in SoftLabelCorpus(tmp_path / "soft-labels")(nlp))
    assert kept_texts == sorted(TEXTS)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"teacher": "nothing"}, "no pipeline nothing"),
        ({"texts": "nothing.txt"}, "no file or folder nothing.txt"),
        ({"config": "nothing.cfg"}, "no file nothing.cfg"),
        ({"dev": None}, "--dev"),
        ({"dev": "nothing.spacy"}, "nothing.spacy"),
        ({"options": ["--temperature", "0"]}, "--temperature 0"),
        ({"options": ["--component", "other"]}, "no component 'other'"),
        ({"options": ["--labelled", "nothing.spacy"]}, "nothing.spacy"),
        ({"options": ["--training.max_steps=0"]}, "max_steps"),
        ({"options": ["--bogus", "3"]}, "--bogus"),
        ({"options": ["--gpu-id", "0"]}, "--gpu-id 0"),
        ({"options": ['--initialize.lookups={"@misc": "nothing"}']}, "[initialize]"),
    ],
)
def test_bad_input_is_refused_in_one_line(change, message, teacher, texts, corpus, tmp_path):
    given = {"teacher": teacher, "texts": texts, "config": CONFIG, "dev": corpus, "options": []}
    given.update(change)
    dev = [] if given["dev"] is None else ["--dev", given["dev"]]
    arguments = [given["teacher"], given["texts"], given["config"], "--output", tmp_path, *dev]
    said = distill(*arguments, *given["options"], exit_codes=(1,))
    assert len(said.strip().splitlines()) == 1
    assert message in said


def test_soft_labels_of_another_teacher_are_not_mixed_in(teacher, texts, corpus, tmp_path):
    arguments = [CONFIG, "--output", tmp_path, "--dev", corpus, *SHORT]
    distill(teacher, texts, *arguments)
    said = distill(teacher, texts, *arguments, "--entities", exit_codes=(1,))
    assert "soft labels of another teacher" in said


def test_soft_labels_follow_the_texts_and_none_are_lost(teacher, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(soft_labels, "DOCS_OF_FILE", 2)
    texts, folder = tmp_path / "texts.txt", tmp_path / "out" / "soft-labels"
    arguments = [CONFIG, "--output", tmp_path / "out", "--dev", corpus, "--lines", *SHORT]

    def taught(lines, exit_codes=(0,)):
        texts.write_text("\n".join(lines))
        said = distill(teacher, texts, *arguments, "--training.max_steps=1", exit_codes=exit_codes)
        found = SoftLabelCorpus(folder)(spacy.load(teacher))
        return said, sorted(eg.reference.text for eg in found)

    first = ["Who is Shaka Khan?", "I like Berlin.", "I like Rome."]
    assert taught(first)[1] == sorted(first)
    (folder / "mine.spacy").write_bytes(corpus.read_bytes())
    longer = [*first, "Who is Ada?", "I like London."]
    assert taught(longer)[1] == sorted(longer)
    assert len(list(folder.glob("0*.spacy"))) == 3
    for other in (["I like London."], longer[::-1], [*longer[:3], "Other"], first[:2]):
        said, kept = taught(other, exit_codes=(1,))
        assert "has soft labels of other texts" in said
        assert kept == sorted(longer)
    assert (folder / "mine.spacy").exists()
    texts.write_text("\n".join(longer))
    nlp = spacy.load(teacher)
    # A teacher that only its calibration tells from the other
    nlp.get_pipe("ner").cfg["temperature"] = 2.0
    nlp.to_disk(tmp_path / "calibrated")
    said = distill(tmp_path / "calibrated", texts, *arguments, exit_codes=(1,))
    assert "soft labels of another teacher" in said


def test_a_file_in_the_place_of_the_soft_labels(teacher, texts, corpus, tmp_path):
    (tmp_path / "soft-labels").write_text("")
    arguments = [teacher, texts, CONFIG, "--output", tmp_path, "--dev", corpus]
    assert "soft-labels is a file" in " ".join(distill(*arguments, exit_codes=(1,)).split())


@pytest.mark.parametrize("kind", [[], ["--entities"]])
def test_words_of_a_file_stay_as_they_are(kind, teacher, corpus, tmp_path):
    # Which the tokenizer cuts elsewhere
    words = ["I", "like", "London", ":-", ")", "don't"]
    docs = [Doc(spacy.blank("en").vocab, words=words)]
    DocBin(docs=docs).to_disk(tmp_path / "words.spacy")
    arguments = [teacher, tmp_path / "words.spacy", CONFIG, "--output", tmp_path, "--dev", corpus]
    distill(*arguments, *kind, "--training.max_steps=2")
    (example,) = SoftLabelCorpus(tmp_path / "soft-labels")(spacy.load(teacher))
    for doc in (example.predicted, example.reference):
        assert [token.text for token in doc] == words
    # The same letters in other words are another text
    words[4:] = [")don't"]
    DocBin(docs=[Doc(docs[0].vocab, words=words)]).to_disk(tmp_path / "words.spacy")
    refusal = distill(*arguments, *kind, "--training.max_steps=2", exit_codes=(1,))
    assert "has soft labels of other texts" in " ".join(refusal.split())
    shutil.rmtree(tmp_path / "soft-labels")
    distill(*arguments, *kind, "--training.max_steps=2")
    (example,) = SoftLabelCorpus(tmp_path / "soft-labels")(spacy.load(teacher))
    assert [token.text for token in example.predicted] == words


def test_a_wrong_path_leaves_nothing_that_is_in_the_way(teacher, texts, corpus, tmp_path):
    arguments = [CONFIG, "--output", tmp_path, "--dev", corpus, *SHORT]
    distill(teacher, tmp_path / "typo.txt", *arguments, exit_codes=(1,))
    distill(teacher, texts, *arguments)


def test_a_teacher_that_finds_nothing(corpus, texts, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": "Qwghlm"}])
    nlp.to_disk(tmp_path / "ruler")
    arguments = [tmp_path / "ruler", texts, CONFIG, "--output", tmp_path, "--dev", corpus]
    assert "found no entity" in distill(*arguments, exit_codes=(1,))


@pytest.mark.parametrize("place", ["model-best", "model-last/inner", ""])
def test_a_student_does_not_take_its_teachers_place(place, teacher, texts, corpus, tmp_path):
    path = tmp_path / "out" / place
    shutil.copytree(teacher, path)
    arguments = [path, texts, CONFIG, "--output", tmp_path / "out", "--dev", corpus, *SHORT]
    assert "would overwrite the teacher" in distill(*arguments, exit_codes=(1,))
    assert not (tmp_path / "out" / "soft-labels").exists()


@pytest.mark.parametrize(
    "name, damaged",
    [
        *(("teacher.json", False), ("teacher.npz", False)),  # a file of docs would be made again
        *(("teacher.json", True), ("teacher.npz", True), ("*.spacy", True)),
    ],
)
def test_soft_labels_that_are_not_whole(name, damaged, teacher, texts, corpus, tmp_path):
    arguments = [teacher, texts, CONFIG, "--output", tmp_path, "--dev", corpus]
    distill(*arguments, "--training.max_steps=2")
    (path,) = (tmp_path / "soft-labels").glob(name)
    if damaged:
        path.write_bytes(path.read_bytes()[:40])
    else:
        path.unlink()
    said = distill(*arguments, "--training.max_steps=2", exit_codes=(1,))
    assert f"{path.name} is missing or damaged" in said.strip().splitlines()[-1]
    with pytest.raises(ValueError, match=f"{path.name} is missing or damaged"):
        list(SoftLabelCorpus(tmp_path / "soft-labels")(spacy.load(teacher)))


def test_docs_that_are_no_soft_labels(teacher, texts, corpus, tmp_path):
    distill(teacher, texts, CONFIG, "--output", tmp_path, "--dev", corpus, *SHORT)
    (path,) = (tmp_path / "soft-labels").glob("*.spacy")
    path.write_bytes(corpus.read_bytes())
    with pytest.raises(ValueError, match=f"{path.name} is missing or damaged"):
        list(SoftLabelCorpus(tmp_path / "soft-labels")(spacy.load(teacher)))


def test_what_comes_before_the_recognizer_is_named(teacher, texts, corpus, tmp_path):
    nlp = spacy.load(teacher)
    ruler = nlp.add_pipe("entity_ruler", before="ner")
    ruler.add_patterns([{"label": "X", "pattern": "like"}])
    nlp.add_pipe("sentencizer", first=True)  # finds no entities
    nlp.to_disk(tmp_path / "both")
    arguments = [tmp_path / "both", texts, CONFIG, "--output", tmp_path, "--dev", corpus]
    said = " ".join(distill(*arguments, "--training.max_steps=2").split())
    assert "What entity_ruler finds or changes is ignored" in said


def test_what_comes_after_the_recognizer_is_named(teacher, texts, corpus, tmp_path):
    nlp = spacy.load(teacher)
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": "like"}])
    nlp.to_disk(tmp_path / "both")
    arguments = [tmp_path / "both", texts, CONFIG, "--output", tmp_path, "--dev", corpus]
    said = " ".join(distill(*arguments, "--training.max_steps=2").split())
    assert "What entity_ruler finds or changes is ignored" in said
