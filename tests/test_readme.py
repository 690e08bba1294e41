"""The README's snippets run, and its tables name what is there."""

import importlib.util
import inspect
import re
from pathlib import Path

import pytest
import spacy
from thinc.api import Config

from spacy_bilstm_crf import BiLSTMCRF, CharBiLSTMEmbed, CharCNNEmbed, SGDMomentum
from spacy_bilstm_crf.pipeline.factory import make_bilstm_crf_ner

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf8")


def snippets(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_python_snippets_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for snippet in snippets("python"):
        exec(compile(snippet, "README.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[:3] == ["[('London', 'PLACE'), ('1833', 'DATE')]", "(7, 13)", "U-PLACE"]
    probable = [line.rsplit(" ", 1) for line in printed[3:-1]]
    assert all(0.0 < float(probability) <= 1.0 for _, probability in probable)
    spans = [span for span, _ in probable]
    assert spans[:2] == ["London PLACE", "1833 DATE"]
    assert "Charles Babbage PERSON" in spans[2:-3]  # candidates
    assert all(span.startswith("[") for span in spans[-3:])  # taggings
    assert printed[-1] == "(7, 13)"


def test_the_config_block_is_the_shipped_one_and_the_default():
    (block,) = snippets("ini")
    pasted = Config().from_str(f"[components]\n{block}")["components"]["ner"]
    shipped = Config().from_disk(ROOT / "configs/bilstm_crf.cfg")["components"]["ner"]
    assert pasted["model"] == shipped["model"]
    default = spacy.blank("en").get_factory_meta("bilstm_crf_ner").default_config
    assert pasted["model"] == default["model"]
    assert set(shipped) == {*default, "factory"}


def parameters(function):
    return set(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    "heading, expected",
    [
        ("The factory", parameters(make_bilstm_crf_ner) - {"nlp", "name"}),
        ("The architecture", parameters(BiLSTMCRF)),
        ("The layers", parameters(CharCNNEmbed) | parameters(CharBiLSTMEmbed)),
        ("The optimizer", parameters(SGDMomentum)),
    ],
)
def test_options_tables_are_complete(heading, expected):
    table = README.split(f"\n{heading} ")[1].split("\n\n")[1]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == expected


def test_the_tables_are_made_from_the_results():
    path = ROOT / "benchmarks" / "tables.py"
    spec = importlib.util.spec_from_file_location("tables", path)
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    assert tables.with_tables(README) == README
    assert README.count("<!-- table: ") == README.count("<!-- end -->") > 0


def test_every_variable_of_the_project_that_is_named_exists():
    project = (ROOT / "project.yml").read_text()
    for name in re.findall(r"--vars\.(\w+)", README):
        assert f"\n  {name}: " in project


def test_every_make_target_and_file_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|^)make (\w+)", README, re.MULTILINE):
        assert f"\n{target}:" in makefile
    for link in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / link).exists(), link
