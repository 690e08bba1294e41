"""`agreement`: a page and its numbers, from files of annotation tools."""

import json

import pytest
import srsly

from spacy_bilstm_crf.workflows import agreement
from tests.browser import browser, noted, opened
from tests.helpers import spacy_command, trained_nlp
from tests.workflows.agreement.files import ADA, BEA, doccano, label_studio


def agree(*arguments, exit_codes=(0,)):
    return spacy_command("bilstm-crf", "agreement", *arguments, exit_codes=exit_codes)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """An export of three people, one of whom is called like a script."""
    cleo = [[(0, 8, "PERSON")], None, []]
    path = tmp_path_factory.mktemp("export") / "ls.json"
    return label_studio(path, ada=ADA, bea=BEA, **{"<script>alert(1)</script>": cleo})


def test_page_numbers_and_lines(export, tmp_path):
    trained_nlp().to_disk(tmp_path / "model")
    output = tmp_path / "out"
    printed = agree(export, "-f", "label-studio", "-o", output, "--kappa", "-p", tmp_path / "model")
    numbers = json.loads((output / "agreement.json").read_text())
    found = agreement(export, source="label-studio", kappa=True, pipeline=tmp_path / "model")
    assert numbers == json.loads(srsly.json_dumps(found.numbers))  # in which ten digits count
    assert (output / "agreement.html").read_text() == found.html
    assert (output / "problems.jsonl").read_text() == ""
    assert numbers["n_texts"] == 3
    assert [pair["n_docs"] for pair in numbers["pairs"]] == [2, 2, 3]
    assert "ada and bea: F 33.3 (0.0 to 50.0), overlap F 50.0" in printed
    assert f"Disagreements: {numbers['n_disagreements']}." in printed
    assert "sides with: " in printed and "all pairs: F " in printed
    assert repr(found) in printed
    assert found._repr_html_().startswith("<iframe ")


def test_the_page_of_two_annotators_without_a_model(export, tmp_path):
    paths = [
        doccano(tmp_path / f"{who}.jsonl", spans) for who, spans in (("ada", ADA), ("bea", BEA))
    ]
    printed = agree(*paths, "--from", "doccano", "--output", tmp_path / "out")
    assert "2 documents without an entity, read as annotated" in " ".join(printed.split())
    page = (tmp_path / "out" / "agreement.html").read_text()
    assert "Agreement of ada, bea" in page and "--skip-empty" in page
    assert "all pairs" not in page and "kappa" not in page and 'id="model"' not in page
    assert "are read as" not in printed
    printed = agree(*paths, "--output", tmp_path / "out", "--skip-empty")
    assert "The files are read as doccano" in printed
    assert "2 documents without an entity left out" in " ".join(printed.split())


def test_annotators_who_agree_have_no_disagreements(tmp_path):
    path = label_studio(tmp_path / "ls.json", ada=ADA, bea=ADA)
    page = agreement(path, source="label-studio").html
    assert "There are none." in page and "<script>" not in page


def test_bad_input_ends_in_one_line(export, tmp_path):
    alone = label_studio(tmp_path / "alone.json", ada=ADA)
    text = tmp_path / "x.txt"
    text.write_text("x")
    output = tmp_path / "out"
    for arguments, said in (
        ([alone, "-f", "label-studio"], "by one annotator alone, ada"),
        ([export, "-f", "prodigy"], "This looks like label-studio"),
        ([export, "-f", "brat"], "is a file, but brat has folders"),
        ([export, export, "-f", "label-studio"], "is given 2 times"),
        ([export, "-f", "label-studio", "--text-key", "body"], "There is no text under 'body'"),
        ([export, "-f", "label-studio", "-p", "no-model"], "There is no pipeline no-model"),
        ([export, "-f", "label-studio", "--kappa", "--spans-key", "sc"], "leave out --kappa or"),
        ([export, "-f", "label-studio", "-l", "qq"], "--lang qq can't be used"),
        ([export, "-f", "label-studio", "--encoding", "qq"], "there is no encoding"),
        ([tmp_path / "no", "-f", "label-studio"], "does not exist"),
    ):
        printed = agree(*arguments, "-o", output, exit_codes=(1,))
        assert said in printed
        lines = [line for line in printed.splitlines() if "Using CPU" not in line]
        assert len(lines) == 1 and lines[0].startswith("Error: ")
        assert not output.exists()
    assert "is a file. Name a folder" in agree(
        export, "-f", "label-studio", "-o", text, exit_codes=(1,)
    )


class TestInChromium:
    pytestmark = browser

    def test_opens_without_a_word_on_the_console(self, export, tmp_path):
        html = agreement(export, source="label-studio", kappa=True, pipeline=trained_nlp()).html
        dom, console = opened(html, tmp_path)
        assert not console and "alert(1)" in dom

    def test_filters(self, export, tmp_path):
        found = agreement(export, source="label-studio")
        script = """
        const form = document.getElementById("filters");
        const shown = () => document.querySelectorAll("article:not([hidden])").length;
        note(shown());
        form.elements.kind.value = "other label";
        form.dispatchEvent(new Event("input"));
        note(shown());
        form.elements.kind.value = "";
        form.elements.label.value = "TEAM";
        form.dispatchEvent(new Event("input"));
        note(shown());
        note(document.getElementById("count").textContent);
        note(document.documentElement.scrollWidth <= innerWidth);
        """
        n = found.numbers["n_disagreements"]
        n_label = found.numbers["kinds"]["other label"]
        noted_ = noted(found.html, tmp_path, script, ["--window-size=390,800"])
        n_team = sum(
            any(e["label"] == "TEAM" for said in each["annotators"].values() for e in said)
            for each in found.numbers["disagreements"]
        )
        assert 0 < n_team < n
        assert noted_ == [
            *(str(n), str(n_label), str(n_team)),
            f"{n_team} of {n} disagreements shown",
            "true",
        ]
