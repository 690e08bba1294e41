"""`report`: a page and its numbers, for any pipeline that sets entities."""

import importlib.util
import json
import random
import subprocess
import sys
import time

import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin, Span

from spacy_bilstm_crf import workflows
from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.decoding import span_probabilities
from tests.browser import browser, opened
from tests.helpers import examples_for, make_nlp, spacy_command, trained_nlp

DATA = [
    ("Who is Shaka Khan?", {"entities": [(7, 17, "PERSON")]}),
    ("I like London and Berlin.", {"entities": [(7, 13, "LOC"), (18, 24, "LOC")]}),
    ("Ada saw Rome.", {"entities": [(0, 3, "PERSON"), (8, 12, "CITY")]}),
    ("Nothing here.", {"entities": []}),
]


def report(*arguments, exit_codes=(0,)):
    return spacy_command("bilstm-crf", "report", *arguments, exit_codes=exit_codes)


def numbers_of(folder):
    return json.loads((folder / "report.json").read_text())


def page_of(folder):
    return (folder / "report.html").read_text(encoding="utf8")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two files in a folder. The domain of the first doc is known, of the last nothing."""
    folder = tmp_path_factory.mktemp("data")
    docs = [example.reference for example in examples_for(spacy.blank("en"), DATA)]
    docs[0].user_data["domain"] = "music"
    docs.append(spacy.blank("en")("Bonn"))
    (folder / "more").mkdir()
    DocBin(docs=docs[:2], store_user_data=True).to_disk(folder / "first.spacy")
    DocBin(docs=docs[2:], store_user_data=True).to_disk(folder / "more" / "second.spacy")
    return folder


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """A pipeline with spaCy's own `ner`."""
    path = tmp_path_factory.mktemp("stock") / "model"
    trained_nlp("ner").to_disk(path)
    return path


def test_report(model, data, corpus, tmp_path):
    printed = report(model, data, "--train", corpus, "--output", tmp_path / "new" / "out")
    found = numbers_of(tmp_path / "new" / "out")
    assert [found[key] for key in ("n_docs", "n_not_annotated")] == [4, 1]
    assert found["overall"]["gold"] == 5 and found["overall"]["right"] >= 3
    f = found["overall"]["f"]
    assert f"F {100 * f['value']:.1f} ({100 * f['low']:.1f} to {100 * f['high']:.1f})" in printed
    assert found["slices"]["source"].keys() == {"first", "more/second"}
    novelty = found["slices"]["in the training data"]
    assert (novelty["seen"]["gold"], novelty["unseen"]["gold"]) == (3, 2)
    sure = found["probabilities"]
    assert sure["n"] == found["overall"]["predicted"] and 0 < sure["mean"] <= 1
    page = page_of(tmp_path / "new" / "out")
    assert f"{100 * f['value']:.1f}<small>" in page


def test_scores_are_those_of_spacy_evaluate(model, data, tmp_path):
    report(model, data, "--output", tmp_path)
    spacy_command("evaluate", model, data, "--output", tmp_path / "spacy.json")
    expected = json.loads((tmp_path / "spacy.json").read_text())
    found = numbers_of(tmp_path)
    for name in ("precision", "recall", "f"):
        assert found["overall"][name]["value"] == pytest.approx(expected[f"ents_{name[0]}"])
    for label, of_label in expected["ents_per_type"].items():
        assert (found["by_label"][label]["f"]["value"] or 0) == pytest.approx(of_label["f"])


def test_labels_that_only_the_annotation_has_are_shown(model, data, tmp_path):
    printed = report(model, data, "--output", tmp_path)
    (line,) = [line for line in printed.splitlines() if line.startswith("CITY: ")]
    assert "no component has this label, so all of its entities (1) are missed" in line
    found = numbers_of(tmp_path)
    assert found["by_label"]["CITY"]["precision"]["value"] is None
    assert found["by_label"]["CITY"]["recall"]["value"] == 0.0
    assert {"CITY", "LOC", "PERSON"} == set(found["labels"])
    assert "<th>CITY</th>" in page_of(tmp_path)


def test_the_same_data_give_the_same_files(model, data, tmp_path):
    for name in ("one", "two"):
        report(model, data, "--output", tmp_path / name, "--baseline", model)
    assert numbers_of(tmp_path / "one") == numbers_of(tmp_path / "two")
    assert page_of(tmp_path / "one") == page_of(tmp_path / "two")


def test_the_stock_ner_has_no_probabilities(stock, data, tmp_path):
    report(stock, data, "--output", tmp_path)
    found = numbers_of(tmp_path)
    assert found["probabilities"] is None and found["overall"]["right"] >= 3
    assert "have no probabilities" in page_of(tmp_path)
    assert "Errors are in the order of the docs, since" in page_of(tmp_path)


def test_missed_entities_have_the_probability_that_the_component_gives_them(tmp_path):
    nlp = make_nlp()  # untrained: it is sure of nothing
    ner = nlp.get_pipe("ner")
    ner.threshold = 1.0
    docs = [example.reference for example in examples_for(nlp, DATA)]
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": "Ada"}])
    found = workflows.report(nlp, docs)
    missed = found.numbers["errors"]["missed"]["shown"]
    by_text = {each["gold"][0]["text"]: each["gold"][0]["probability"] for each in missed}
    assert set(by_text) == {"Shaka Khan", "London", "Berlin", "Rome"}
    assert by_text.pop("Rome") == 0.0  # a label that the component lacks
    assert len(set(by_text.values())) == 3 and all(0.0 < p < 1.0 for p in by_text.values())
    expected = span_probabilities(ner.distribution([docs[0].copy()], [docs[0].ents]), [[(2, 4, 0)]])
    assert by_text["Shaka Khan"] == pytest.approx(expected[0][0], abs=1e-6)
    order = [each["probability"] for each in missed]
    assert order == sorted(order)


def test_a_tokenizer_that_adds_tokens_is_refused_in_one_line(model, data, tmp_path):
    nlp = spacy.load(model)

    def add_token(text, make=nlp.tokenizer):
        return Doc(nlp.vocab, words=["[CLS]", *(token.text for token in make(text))])

    nlp.tokenizer = add_token
    for work in (workflows.report, workflows.calibrate):
        with pytest.raises(UserError, match="tokenizer changes texts: it makes ") as raised:
            work(nlp, data)
        assert "['[CLS]', 'Who'" in str(raised.value)


def test_baseline(model, stock, data, tmp_path):
    make_nlp("ner").to_disk(tmp_path / "untrained")
    printed = report(*(model, data, "--baseline", tmp_path / "untrained", "--output", tmp_path))
    found = numbers_of(tmp_path)
    other = found["baseline"]
    assert other["pipeline"] == str(tmp_path / "untrained")
    for name in ("precision", "recall", "f"):
        values = [part["overall"][name]["value"] or 0.0 for part in (found, other)]
        difference = other["difference"]["overall"][name]["value"]
        assert difference is None or difference == pytest.approx(values[0] - values[1])
    n_docs = sum(other["docs"][f"n_{name}"] for name in ("better", "worse", "same"))
    assert n_docs == found["n_docs"] and other["docs"]["n_better"] >= 2
    assert "Docs that got better" in page_of(tmp_path)
    gain = other["difference"]["overall"]["f"]
    low, high = (f"{100 * gain[name]:.1f}" for name in ("low", "high"))
    assert f"difference: F +{100 * gain['value']:.1f} ({low} to {high}), p = " in printed
    assert f"baseline: F {100 * other['overall']['f']['value']:.1f} (" in printed
    report(model, data, "--baseline", stock, "--output", tmp_path)
    assert numbers_of(tmp_path)["baseline"]["overall"]["gold"] == 5


def test_from_python_it_takes_what_is_loaded(model, stock, data, corpus, tmp_path):
    report(model, data, "--baseline", stock, "--train", corpus, "--output", tmp_path / "cli")
    nlp, other = spacy.load(model), spacy.load(stock)
    files = [data / "first.spacy", data / "more" / "second.spacy"]
    docs, train = (
        [
            doc
            for path in paths
            for doc in DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)
        ]
        for paths in (files, [corpus])
    )
    found = workflows.report(nlp, docs, baseline=other, train=train)
    found.to_disk(tmp_path / "python")
    assert numbers_of(tmp_path / "python") == json.loads(srsly.json_dumps(found.numbers))
    assert page_of(tmp_path / "python") == found.html
    assert str(found).startswith("precision ") and found._repr_html_().startswith("<iframe ")
    by_command = numbers_of(tmp_path / "cli")
    names = ("pipeline", "data", "train")
    assert [by_command.pop(name) for name in names] == [str(model), str(data), str(corpus)]
    assert [found.numbers.pop(name) for name in names] == ["pipeline", None, None]
    for numbers in (by_command, found.numbers):  # in memory, docs have no files
        numbers["slices"].pop("source", None)
        numbers["baseline"].pop("pipeline")
        for each in find_key(numbers, "source"):
            each.pop("source")
    assert by_command == json.loads(srsly.json_dumps(found.numbers))


def find_key(value, key):
    """All dictionaries in a value that have a key."""
    children = value.values() if isinstance(value, dict) else value
    found = [value] if isinstance(value, dict) and key in value else []
    for child in children if isinstance(value, dict | list) else ():
        found += find_key(child, key)
    return found


def test_slices_by_name(model, data, tmp_path):
    report(model, data, "--slice", "domain", "--output", tmp_path)
    found = numbers_of(tmp_path)["slices"]["domain"]
    assert {name: each["gold"] for name, each in found.items()} == {"music": 1, "(none)": 4}
    printed = report(model, data, "--slice", "year", "--output", tmp_path, exit_codes=(1,))
    assert "--slice year" in printed and "has: domain." in printed


def test_slices_of_extensions_that_code_defines(model, data, tmp_path):
    code = tmp_path / "code.py"
    code.write_text(
        "from spacy.tokens import Doc, Span\n"
        "Doc.set_extension('n_words', getter=len, force=True)\n"
        "Span.set_extension('first', getter=lambda span: span.text[0], force=True)\n"
    )
    names = ["--slice", "n_words", "-s", "first"]
    try:
        report(model, data, *names, "--code", code, "--output", tmp_path)
    finally:
        Doc.remove_extension("n_words")
        Span.remove_extension("first")
    found = numbers_of(tmp_path)["slices"]
    assert found["n_words"]["6"]["gold"] == 2
    assert {name: each["gold"] for name, each in found["first"].items() if each["gold"]} == {
        **{"L": 1, "B": 1, "S": 1, "A": 1, "R": 1}
    }


def test_texts_in_words_with_unknown_spaces(model, tmp_path):
    nlp = spacy.blank("en")
    doc = Doc(nlp.vocab, words=["I", "like", "London"])
    doc.ents = [Span(doc, 2, 3, label="LOC")]
    assert doc.has_unknown_spaces
    DocBin(docs=[doc]).to_disk(tmp_path / "words.spacy")
    report(model, tmp_path / "words.spacy", "--output", tmp_path)
    assert numbers_of(tmp_path)["overall"]["gold"] == 1


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """A folder of things that can't be used."""
    folder = tmp_path_factory.mktemp("bad")
    spacy.blank("en").to_disk(folder / "blank")
    (folder / "empty").mkdir()
    (folder / "none.spacy").write_bytes(b"")
    DocBin(docs=[]).to_disk(folder / "no-docs.spacy")
    DocBin(docs=[spacy.blank("en")("Ada")]).to_disk(folder / "no-ents.spacy")
    return folder


@pytest.mark.parametrize(
    "pipeline, data_name, options, said",
    [
        ("nowhere", None, [], "no pipeline"),
        ("blank", None, [], "sets no entities"),
        (None, "nowhere", [], "does not exist"),
        (None, "empty", [], "empty holds no .spacy file"),
        (None, "none.spacy", [], "none.spacy is damaged or not a .spacy file"),
        (None, "no-docs.spacy", [], "has 0 docs"),
        (None, "no-ents.spacy", [], "has 1 docs, but no entity"),
        (None, None, ["--baseline", "nowhere"], "no pipeline"),
        (None, None, ["--baseline", "blank"], "blank sets no entities"),
        (None, None, ["--train", "no-ents.spacy"], "no-ents.spacy has 1 docs"),
        (None, None, ["--output", "none.spacy"], "none.spacy is a file"),
    ],
)
def test_what_can_not_be_used_is_refused_in_one_line(
    pipeline, data_name, options, said, bad, model, data, tmp_path
):
    options = [option if option.startswith("--") else bad / option for option in options]
    arguments = [
        bad / pipeline if pipeline else model,
        bad / data_name if data_name else data,
        *("--output", tmp_path / "out"),
        *options,
    ]
    printed = report(*arguments, exit_codes=(1,))
    (error,) = [line for line in printed.splitlines() if line.startswith("Error: ")]
    assert said in error and "Traceback" not in printed
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_a_missing_extra_is_named(missing, model, data, tmp_path, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "spacy_bilstm_crf.common.errors.find_spec",
        lambda name: None if name == missing else find_spec(name),
    )
    printed = report(model, data, "--output", tmp_path / "out", exit_codes=(1,))
    assert f"needs {missing}" in printed and '"spacy-bilstm-crf[report]"' in printed


def test_the_package_imports_none_of_what_only_commands_need():
    code = """
import sys, spacy
for name in list(sys.modules):  # spaCy has a use for jinja2 too
    if name.split(".")[0] == "jinja2":
        del sys.modules[name]
import spacy_bilstm_crf.cli
from spacy_bilstm_crf.workflows.report import page, report
extras = ("jinja2", "matplotlib", "optuna", "pyarrow", "ray", "pyspark", "fastapi", "uvicorn")
print([name for name in (*extras, "prometheus_client") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_ten_thousand_docs_take_less_than_two_minutes(tmp_path):
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": f"L{i % 40}", "pattern": f"w{i}"} for i in range(0, 500, 2)])
    nlp.to_disk(tmp_path / "model")
    rng = random.Random(0)
    docs = DocBin()
    for _ in range(10_000):
        doc = Doc(nlp.vocab, words=[f"w{rng.randrange(1000)}" for _ in range(40)])
        places = [i for i, token in enumerate(doc) if int(token.text[1:]) < 400]
        doc.ents = [Span(doc, i, i + 1, label=f"L{rng.randrange(40)}") for i in places]
        docs.add(doc)
    docs.to_disk(tmp_path / "data.spacy")
    start = time.process_time()  # other processes may keep the cores busy
    arguments = ["--baseline", tmp_path / "model", "--train", tmp_path / "data.spacy"]
    report(tmp_path / "model", tmp_path / "data.spacy", *arguments, "--output", tmp_path)
    assert time.process_time() - start < 120
    assert numbers_of(tmp_path)["n_docs"] == 10_000
    assert (tmp_path / "report.html").stat().st_size < 10e6


class TestInChromium:
    pytestmark = browser

    def test_the_page_opens(self, model, stock, data, tmp_path):
        report(model, data, "--baseline", stock, "--output", tmp_path / "out")
        dom, console = opened(page_of(tmp_path / "out"), tmp_path)
        assert not console and "errors shown</output>" in dom
