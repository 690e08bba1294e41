"""`calibrate`: fits held-out annotation, and never costs a pipeline."""

import shutil

import spacy
from spacy.tokens import DocBin, Span

from tests.helpers import spacy_command


def calibrate(*arguments, exit_codes=(0,)):
    return spacy_command("bilstm-crf", "calibrate", *arguments, exit_codes=exit_codes)


def test_calibrate(model, corpus, tmp_path):
    printed = calibrate(model, corpus, "--output", tmp_path / "calibrated")
    cfg = spacy.load(tmp_path / "calibrated").get_pipe("ner").cfg
    assert f"temperature {cfg['temperature']:.3f}" in printed
    (of_loc, of_person) = cfg["label_biases"]
    assert f"LOC {of_loc:.3f}, PERSON {of_person:.3f}" in printed
    assert cfg["temperature"] != 1.0 and of_loc != of_person
    table = [line.split() for line in printed.splitlines()]
    assert ["F", "ECE", "NLL"] in table
    (before,), (after,) = ([row for row in table if row[:1] == [n]] for n in ("before", "after"))
    assert before[1] == after[1] == "100.00" and float(before[3]) > float(after[3]) > 0.0
    assert spacy.load(model).get_pipe("ner").cfg["temperature"] == 1.0


def test_a_folder_that_exists_is_replaced_only_by_force(model, corpus, tmp_path):
    kept = shutil.copytree(model, tmp_path / "kept")
    printed = calibrate(kept, corpus, "--output", kept, exit_codes=(1,))
    assert "--force" in printed
    assert spacy.load(kept).get_pipe("ner").cfg["temperature"] == 1.0
    calibrate(kept, corpus, "--output", kept, "--force")
    assert spacy.load(kept).get_pipe("ner").cfg["temperature"] != 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_what_can_not_be_calibrated_is_refused_in_one_line(model, corpus, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer", name="ner")
    nlp.to_disk(tmp_path / "other")
    unknown = shutil.copytree(model, tmp_path / "unknown")
    config = (unknown / "config.cfg").read_text()
    (unknown / "config.cfg").write_text(config.replace("\nthreshold = ", "\nleast = "))
    damaged = shutil.copytree(model, tmp_path / "damaged")
    (damaged / "ner" / "model").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.spacy").write_text("LOC")
    doc = spacy.blank("en")("I like Rome")
    doc.ents = [Span(doc, 2, 3, "CITY")]
    DocBin(docs=[doc]).to_disk(tmp_path / "city.spacy")
    out = tmp_path / "out"
    for arguments, said in (
        ([tmp_path / "other", corpus], "It has: ner (sentencizer)"),
        ([tmp_path / "nowhere", corpus], "no pipeline"),
        ([unknown, corpus], "least unexpected argument"),
        ([damaged, corpus], "damaged can't be loaded: "),
        ([model, tmp_path / "nowhere"], "nowhere' does not exist"),
        ([model, tmp_path / "empty"], "empty holds no .spacy file"),
        ([model, tmp_path / "no.spacy"], "no.spacy is damaged or not a .spacy file"),
        ([model, corpus, "--component", "tagger"], "'tagger', which is needed for probabilities"),
        ([model, tmp_path / "city.spacy"], "have labels that 'ner' lacks: CITY (1). It has LOC"),
    ):
        printed = calibrate(*arguments, "--output", out, exit_codes=(1,))
        assert said in printed
        (error,) = [line for line in printed.splitlines() if line.startswith("Error: ")]
        assert "Traceback" not in printed and len(error) < 600
        assert not out.exists()
