"""Cross-validation: scores by spaCy's scorer, resuming, and the folder that audit shares."""

import json
import shutil

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows import audit, cross_validate
from spacy_bilstm_crf.workflows.cross_validation import folds
from tests.browser import browser, opened
from tests.helpers import CONFIG, SMALL_TRAINING, spacy_command

NLP = spacy.blank("en")
CITIES = ["London", "Berlin", "Rome", "Paris", "Oslo", "Bonn", "Ely", "Bath", "Cork", "Rhyl"]
N_FOLDS = 3


def config_settings(**more):
    """Settings of the config by their dotted names, as Python has them."""
    options = (option.removeprefix("--").split("=") for option in SMALL_TRAINING)
    settings = {name: json.loads(value) for name, value in options}
    return {**settings, "training.max_steps": 30, **more}


def annotated(words, *entities, source=None):
    doc = Doc(NLP.vocab, words=words.split())
    doc.set_ents([Span(doc, *entity) for entity in entities], default="outside")
    doc.user_data["meta"] = {"source": source}
    return doc


def corpus_docs():
    docs = []
    for i, city in enumerate(CITIES):
        docs.append(annotated(f"I like {city} and you", (2, 3, "LOC"), source=i % 4))
        docs.append(annotated(f"Who is Ada Khan of {city}", (2, 4, "PERSON"), (5, 6, "LOC")))
    return docs


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("cross-validation") / "train.spacy"
    DocBin(docs=corpus_docs(), store_user_data=True).to_disk(path)
    return path


def validate(data, output, **settings):
    settings = {"folds": N_FOLDS, "overrides": config_settings(), **settings}
    return cross_validate(CONFIG, data, output, **settings)


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    """A folder, what was returned, and what was said of each fold."""
    said = []
    output = tmp_path_factory.mktemp("done") / "out"
    found = validate(data, output, on_fold=lambda *each: said.append(each))
    return output, found, said


@pytest.fixture
def copy(done, tmp_path):
    return shutil.copytree(done[0], tmp_path / "copy")


@pytest.fixture
def no_training(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("a model was trained")

    monkeypatch.setattr(folds, "train_pipeline", fail)


def test_scores_are_those_of_models_that_have_not_seen_the_docs(done):
    output, found, said = done
    assert said == [(number, N_FOLDS, False) for number in range(1, N_FOLDS + 1)]
    place = found.numbers["fold_of_doc"]
    docs = corpus_docs()
    examples = []
    for number, of_fold in enumerate(found.numbers["folds"], start=1):
        nlp = spacy.load(output / f"fold-{number}")
        gold = [doc for doc, fold in zip(docs, place) if fold == number]
        assert (of_fold["n_docs"], of_fold["n_train_docs"]) == (len(gold), len(docs) - len(gold))
        made = [Example(nlp(Doc(nlp.vocab, [t.text for t in doc])), doc) for doc in gold]
        scores = nlp.evaluate([Example(eg.predicted.copy(), eg.reference) for eg in made])
        for ours, theirs in (("precision", "ents_p"), ("recall", "ents_r"), ("f", "ents_f")):
            assert (of_fold[ours]["value"] or 0.0) == pytest.approx(scores[theirs] or 0.0)
        examples += [(eg, nlp) for eg in made]
    overall = found.numbers["overall"]
    assert overall["gold"] == sum(len(doc.ents) for doc in docs)
    predicted = [{(e.start, e.end, e.label_) for e in eg.predicted.ents} for eg, _ in examples]
    gold = [{(e.start, e.end, e.label_) for e in eg.reference.ents} for eg, _ in examples]
    assert overall["predicted"] == sum(map(len, predicted)) > 0
    assert overall["right"] == sum(len(a & b) for a, b in zip(predicted, gold)) > 0
    fs = [each["f"]["value"] for each in found.numbers["folds"]]
    spread = found.numbers["spread"]
    assert spread["mean"] == pytest.approx(sum(fs) / N_FOLDS)
    variance = sum((f - spread["mean"]) ** 2 for f in fs) / (N_FOLDS - 1)
    assert spread["deviation"] == pytest.approx(variance**0.5)
    assert (spread["low"], spread["high"]) == (min(fs), max(fs))


def test_no_model_has_seen_its_fold(data, tmp_path, monkeypatch):
    """What a training gets is all that is not in the fold."""
    seen = []

    def train(config, output, **settings):
        parts = [config["paths"][part] for part in ("train", "dev")]
        docs = [d for path in parts for d in DocBin().from_disk(path).get_docs(NLP.vocab)]
        seen.append(sorted(doc.text for doc in docs))
        nlp = spacy.blank("en")
        nlp.add_pipe("ner").add_label("LOC")
        nlp.initialize()
        output.mkdir()
        nlp.to_disk(output / "model-best")

    monkeypatch.setattr(folds, "train_pipeline", train)
    found = validate(data, tmp_path / "out", folds=2, group_by="source")
    place, texts = found.numbers["fold_of_doc"], [doc.text for doc in corpus_docs()]
    for number, of_training in enumerate(seen, start=1):
        assert of_training == sorted(t for t, fold in zip(texts, place) if fold != number)
    sources = [doc.user_data["meta"]["source"] for doc in corpus_docs()]
    for source in range(4):
        assert len({fold for fold, of in zip(place, sources) if of == source}) == 1


def test_the_page_and_the_file(done):
    output, found, _ = done
    assert (output / "cross-validation.html").read_text() == found.html
    assert json.loads((output / "cross-validation.json").read_text())["folds"]
    assert "Cross-validation of bilstm_crf.cfg" in found.html and "--train" not in found.html
    table = found.html.split('id="by-fold"')[1].split("</table>")[0]
    assert table.count("<tr>") == 1 + N_FOLDS
    lines = repr(found).splitlines()
    assert lines[-1].startswith(f"F of {N_FOLDS} folds: ") and lines[-2].startswith("F ")
    assert found._repr_html_().startswith("<iframe ")


def test_a_run_that_is_done_trains_nothing(data, copy, done, no_training):
    said = []
    found = validate(data, copy, on_fold=lambda *each: said.append(each))
    assert said == [(number, N_FOLDS, True) for number in range(1, N_FOLDS + 1)]
    assert found.numbers == done[1].numbers and found.html == done[1].html


def test_an_interrupted_run_goes_on(data, tmp_path, done, monkeypatch):
    output = tmp_path / "out"
    trained = []
    train = folds.train_pipeline

    def killed(*args, **kwargs):
        if len(trained) == 1:
            (args[1].parent / "half.txt").write_text("")
            raise KeyboardInterrupt
        trained.append(train(*args, **kwargs))

    monkeypatch.setattr(folds, "train_pipeline", killed)
    with pytest.raises(KeyboardInterrupt):
        validate(data, output)
    assert sorted(path.name for path in output.iterdir()) == ["fold-1", "folds.json"]
    (output / ".training-abc").mkdir()  # as a process leaves it that is killed
    monkeypatch.setattr(folds, "train_pipeline", train)
    said = []
    found = validate(data, output, on_fold=lambda *each: said.append(each[2]))
    assert said == [True, False, False]
    assert not (output / ".training-abc").exists()
    assert found.numbers == done[1].numbers


def test_audit_uses_the_folder_and_the_other_way_round(data, copy, tmp_path, monkeypatch):
    settings = {"folds": N_FOLDS, "overrides": config_settings(), "least": 0.0}
    alone = audit(CONFIG, data, **settings)
    folder = tmp_path / "of-audit"
    made = audit(CONFIG, data, cross_validation=folder, **settings)
    monkeypatch.setattr(folds, "train_pipeline", None)
    shared = audit(CONFIG, data, cross_validation=copy, **settings)
    assert alone.suspects == made.suspects == shared.suspects and alone.suspects
    assert alone.f == shared.f
    found = validate(data, folder)
    assert found.numbers["overall"]["f"]["value"] == pytest.approx(shared.f)


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"folds": 4}, "models with another number of folds (3, now 4): name another folder, or"),
        ({"group_by": "source"}, "models with another --group-by (none, now source): name"),
        (
            {"overrides": config_settings(**{"training.max_steps": 31})},
            "models with another config (training.max_steps is different): name",
        ),
        ({"data": corpus_docs()[1:]}, "models with other data: name another"),
    ],
)
def test_a_folder_of_something_else_is_refused(data, copy, changed, said, no_training):
    before = sorted(path.name for path in copy.iterdir())
    with pytest.raises(UserError) as error:
        validate(**{"data": data, "output": copy, **changed})
    assert said in str(error.value) and "\n" not in str(error.value)
    assert sorted(path.name for path in copy.iterdir()) == before
    if "data" not in changed:
        settings = {"folds": N_FOLDS, "overrides": config_settings(), **changed}
        with pytest.raises(UserError) as error:
            audit(CONFIG, data, cross_validation=copy, **settings)
        assert said in str(error.value)


def test_docs_in_other_groups_are_other_folds(tmp_path, monkeypatch):
    """Their words and annotation are the same, but a model has seen some of its fold."""
    docs = corpus_docs()
    settings = {"folds": 2, "group_by": "source"}
    settings["overrides"] = config_settings(**{"training.max_steps": 1})
    validate(docs, tmp_path / "out", **settings)
    for i, doc in enumerate(docs):
        doc.user_data["meta"] = {"source": i % 5}
    monkeypatch.setattr(folds, "train_pipeline", None)
    with pytest.raises(UserError, match="holds models with other groups of docs: name"):
        validate(docs, tmp_path / "out", **settings)


def test_folders_that_can_not_be_used(data, tmp_path, copy, no_training):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        validate(data, tmp_path / "file")
    for place in (data.parent, data.parent / "sub" / "out"):
        with pytest.raises(UserError, match="is in the folder of the data"):
            validate(data.parent, place)
        with pytest.raises(UserError, match="is in the folder of the data"):
            audit(CONFIG, data.parent, cross_validation=place)
    (copy / "folds.json").write_text("{")
    with pytest.raises(UserError, match=r"folds.json is damaged: name another folder"):
        validate(data, copy)
    (copy / "folds.json").unlink()
    with pytest.raises(UserError, match=r"has a fold-1, but no folds.json"):
        validate(data, copy)
    with pytest.raises(UserError, match="--cross-validation needs models"):
        audit(CONFIG, data, folds=0, cross_validation=copy)


def test_command_and_bad_input(data, copy, tmp_path):
    command = ["bilstm-crf", "cross-validate", CONFIG]
    training = [*SMALL_TRAINING, "--training.max_steps=30"]
    printed = spacy_command(*command, data, "-o", copy, "-k", N_FOLDS, *training)
    assert f"Fold 3 of {N_FOLDS}: trained earlier" in printed
    assert f"F of {N_FOLDS} folds: " in printed and "cross-validation.html" in printed
    empty = tmp_path / "empty.spacy"
    DocBin(docs=[Doc(NLP.vocab, words=["a"])]).to_disk(empty)
    for arguments, said in (
        ([CONFIG.with_name("no.cfg"), data], "There is no file"),
        ([CONFIG, empty], "no entity in any of them"),
        ([CONFIG, data, "--folds", "1"], "'--folds'"),
        ([CONFIG, data, "--folds", "300"], "can't be split into 300 folds"),
        ([CONFIG, data, "--group-by", "page"], "no doc has it in its meta or user_data"),
        ([CONFIG, data, "--component", "tagger"], "no component 'tagger'. It has: ner"),
        ([CONFIG, data, "--training.max_steps", "many"], "can't be used: "),
    ):
        output = tmp_path / "out"
        given = ["bilstm-crf", "cross-validate", *arguments, "--output", output]
        printed = spacy_command(*given, exit_codes=(1,))
        assert said in printed
        assert len([line for line in printed.splitlines() if line.startswith("Error: ")]) == 1
        assert not output.exists()


class TestInChromium:
    pytestmark = browser

    def test_opens_without_a_word_on_the_console(self, done, tmp_path):
        dom, console = opened(done[1].html, tmp_path)
        assert not console and 'id="by-fold"' in dom
