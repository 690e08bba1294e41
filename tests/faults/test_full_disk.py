"""No room is left while something is saved.

A limit to the size of files does what a full disk does, and needs no rights: a write fails part of
the way.
"""

import shutil
from contextlib import contextmanager

import pytest
import spacy

from tests.helpers import make_nlp, spacy_command

resource = pytest.importorskip("resource", reason="limits are POSIX's")

# In the order of writing: what is before the component, its weights, its settings
LIMITS = {10: "tokenizer", 20_000: "tokenizer", 100_000: "ner/model"}


@contextmanager
def room_for(n_bytes):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def contents(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder): path.read_bytes() for path in files}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_calibration_that_can_not_be_saved_ends_in_one_line(model, corpus, tmp_path, limit):
    kept = shutil.copytree(model, tmp_path / "kept")
    before = contents(kept)
    command = ["bilstm-crf", "calibrate", kept, corpus, "--output", kept, "--force"]
    with room_for(limit):
        printed = spacy_command(*command, exit_codes=(1,))
    assert f"Error: Can't save to {kept}: File too large. Existing files are" in printed
    assert len([line for line in printed.splitlines() if line.startswith("Error: ")]) == 1
    assert "Traceback" not in printed
    assert contents(kept) == before
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]  # and nothing half-written
    assert spacy.load(kept)("I like London.").has_annotation("ENT_IOB")


@pytest.mark.parametrize("limit, file", LIMITS.items())
def test_a_pipeline_that_is_saved_half_is_an_error_then_and_when_it_is_loaded(
    tmp_path, limit, file
):
    nlp = make_nlp()
    with room_for(limit), pytest.raises(OSError, match="File too large"):
        nlp.to_disk(tmp_path)
    assert (tmp_path / file).stat().st_size <= limit
    # spaCy's E053, or ours
    ours = "component from the folder .*cut short, copy or unpack the pipeline again"
    with pytest.raises((ValueError, OSError), match=ours if "ner" in file else "E053"):
        spacy.load(tmp_path)


@pytest.mark.parametrize("limit", LIMITS)
def test_a_pipeline_that_is_saved_half_over_another_never_finds_what_is_of_both(tmp_path, limit):
    make_nlp().to_disk(tmp_path)
    nlp = make_nlp(labels=["LOC", "MORE"])
    with room_for(limit), pytest.raises(OSError, match="File too large"):
        nlp.to_disk(tmp_path)
    with pytest.raises((ValueError, OSError)):
        spacy.load(tmp_path)
