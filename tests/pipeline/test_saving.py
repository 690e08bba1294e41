"""The component on disk and in bytes, and what is said of files that do not fit."""

import io
import json
import pickle
import zipfile
from shutil import rmtree

import pytest
import spacy
import srsly
import torch

from spacy_bilstm_crf.models.torch_layer import shim_of
from tests.helpers import entities, make_nlp


def test_an_uninitialized_component_can_be_saved(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_crf_ner", name="ner").add_label("LOC")
    nlp.to_disk(tmp_path)
    nlp2 = spacy.load(tmp_path)
    assert nlp2.get_pipe("ner").labels == ("LOC",)
    nlp2.initialize()
    assert entities(nlp2("London")) == []


def test_saved_weights_are_plain_tensors(trained):
    state = trained.get_pipe("ner").model.get_ref("output_layer").shims[0].to_bytes()
    loaded = torch.load(io.BytesIO(srsly.msgpack_loads(state)["state"]), weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in loaded.values())


@pytest.mark.parametrize("file", ["cfg", "model"])
@pytest.mark.parametrize("harm", ["missing", "truncated"])
def test_damaged_folders_are_explained(trained, tmp_path, file, harm):
    trained.to_disk(tmp_path)
    path = tmp_path / "ner" / file
    content = path.read_bytes()
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"Can't load the component from.*ner"):
        spacy.load(tmp_path)


def test_a_model_for_other_labels_is_explained(trained, tmp_path):
    trained.to_disk(tmp_path)
    path = tmp_path / "ner" / "cfg"
    cfg = json.loads(path.read_text())
    cfg["labels"].append("MORE")
    path.write_text(json.dumps(cfg))
    with pytest.raises(ValueError, match=r"tags = 9.*tags = 13"):
        spacy.load(tmp_path)


@pytest.mark.parametrize("name, value", [("hidden_width", 48), ("depth", 2)])
def test_a_model_of_other_sizes_is_explained(trained, tmp_path, name, value):
    trained.to_disk(tmp_path)
    config = spacy.util.load_config(tmp_path / "config.cfg")
    config["components"]["ner"]["model"][name] = value
    config.to_disk(tmp_path / "config.cfg")
    with pytest.raises(ValueError, match=rf"{name} = .*{name} = {value}"):
        spacy.load(tmp_path)


def test_bytes_of_another_component(trained):
    nlp = make_nlp(labels=["ONE"])
    with pytest.raises(ValueError, match="Can't load"):
        nlp.get_pipe("ner").from_bytes(trained.get_pipe("ner").to_bytes()[:100])


def run_out_of_memory(*args, **kwargs):
    torch.empty(2**60)  # more than there is anywhere


def fail_to_allocate(*args, **kwargs):
    raise MemoryError("can't allocate memory")


@pytest.mark.parametrize("fail", [run_out_of_memory, fail_to_allocate])
def test_a_lack_of_memory_is_not_blamed_on_the_files(monkeypatch, tmp_path, fail):
    nlp = make_nlp()
    nlp.to_disk(tmp_path)
    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises((MemoryError, RuntimeError), match="can't allocate memory") as found:
        spacy.load(tmp_path)
    assert "cut short" not in str(found.value)


# Settings: the config, the property and the file


def test_settings_given_to_load_win_and_those_that_were_set_come_back(tmp_path):
    nlp = make_nlp(threshold=0.1)
    nlp.get_pipe("ner").threshold = 0.2
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe("ner").threshold == 0.2
    # Many decimals, since spaCy reads some of them as their neighbours
    nlp = make_nlp(threshold=0.3)
    for threshold in (0.29, 0.3, 0.31, 0.58, {"LOC": 0.57}):
        nlp.get_pipe("ner").threshold = threshold
        nlp.to_disk(tmp_path)
        assert spacy.load(tmp_path).get_pipe("ner").threshold == threshold
    nlp = make_nlp(threshold=0.1)
    nlp.to_disk(tmp_path)
    given = {"components": {"ner": {"threshold": 0.3, "candidates_threshold": 0.01}}}
    loaded = spacy.load(tmp_path, config=given)
    ner = loaded.get_pipe("ner")
    assert (ner.threshold, ner.candidates_threshold) == (0.3, 0.01)
    # and once more: what was given is saved
    loaded.to_disk(tmp_path / "again")
    again = spacy.load(tmp_path / "again").get_pipe("ner")
    assert (again.threshold, again.candidates_threshold) == (0.3, 0.01)
    again.threshold = 0.4
    assert spacy.load(tmp_path / "again", config=given).get_pipe("ner").threshold == 0.3


def test_a_setting_that_is_changed_in_a_saved_config_counts(tmp_path):
    make_nlp().to_disk(tmp_path)
    config = spacy.util.load_config(tmp_path / "config.cfg")
    config["components"]["ner"]["spans_key"] = "sure"
    config.to_disk(tmp_path / "config.cfg")
    nlp = spacy.load(tmp_path)
    assert nlp.get_pipe("ner").spans_key == "sure"
    assert list(nlp("Who is Khan").spans) == ["sure"]


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("threshold", 2, "threshold of 'ner' is 2"),
        ("temperature", -1, "temperature of 'ner' is -1"),
        ("temperature", None, "temperature of 'ner' is None"),
        ("temperature", 1e-6, "temperature of 'ner' is 1e-06, but .* from 0.001 to 1000"),
        ("label_biases", [0.0] * 9, "label_biases of 'ner'"),
        ("label_biases", [0.0, 1e20], "label_biases of 'ner' include 1e.20, but .* -1000 to 1000"),
        ("label_biases", 3, "label_biases of 'ner' are 3"),
        ("labels", "PERSON", "labels of 'ner' are 'PERSON'"),
        ("labels", ["LOC", "LOC"], "labels of 'ner'"),
        ("entity_ratio", {"rat": 0.1}, "entity_ratio of 'ner'"),
    ],
)
def test_settings_of_a_file_are_checked(tmp_path, name, value, message):
    make_nlp().to_disk(tmp_path)
    path = tmp_path / "ner" / "cfg"
    srsly.write_json(path, {**srsly.read_json(path), name: value})
    with pytest.raises(ValueError, match=message):
        spacy.load(tmp_path)


def test_a_calibration_is_checked_before_it_is_used():
    nlp = make_nlp()
    ner = nlp.get_pipe("ner")
    for name, value, said in (
        ("label_biases", [1e20], "include 1e.20"),
        ("label_biases", [float("nan")], "include nan"),
        ("temperature", float("inf"), "is inf"),
        ("temperature", 1e-300, "is 1e-300"),
    ):
        before = ner.cfg[name]
        ner.cfg[name] = value
        with pytest.raises(ValueError, match=f"The {name} of 'ner' {said}"):
            nlp("Who is Khan")
        ner.cfg[name] = before
    # Scores that are finite before they are calibrated, and not afterwards
    large = ner.model.predict([nlp.make_doc("Who is Khan")])
    large.emissions = [doc + 1e18 for doc in large.emissions]
    ner._predict_potentials = lambda docs: large
    nlp("Who is Khan")
    ner.cfg["temperature"] = 0.001
    with pytest.raises(ValueError, match="scores of the component 'ner' are NaN, infinite"):
        nlp("Who is Khan")


# Damaged and foreign weights


def weights_of(folder):
    """The model file's content, and a function that writes it with other weights of the BiLSTM."""
    path = folder / "ner" / "model"
    content = srsly.msgpack_loads(path.read_bytes())
    place = max(i for i, shims in enumerate(content["shims"]) if shims)
    shim = srsly.msgpack_loads(content["shims"][place][0])

    def write(state):
        content["shims"][place][0] = srsly.msgpack_dumps({**shim, "state": state})
        path.write_bytes(srsly.msgpack_dumps(content))

    return shim["state"], write


def test_flipped_bits_are_found(tmp_path):
    make_nlp().to_disk(tmp_path)
    state, write = weights_of(tmp_path)
    with zipfile.ZipFile(io.BytesIO(state)) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
        inside = state.index(archive.read(largest))
    for offset in range(0, largest.file_size, largest.file_size // 5):
        flipped = bytearray(state)
        flipped[inside + offset] ^= 0x10
        write(bytes(flipped))
        with pytest.raises(ValueError, match=r"weights are damaged: the checksum of .*/data/"):
            spacy.load(tmp_path)
    write(state)
    spacy.load(tmp_path)


class RunsCode:
    def __reduce__(self):
        return (print, ("code was run",))


def test_weights_that_could_run_code_are_refused(tmp_path, capsys):
    make_nlp().to_disk(tmp_path)
    _, write = weights_of(tmp_path)
    buffer = io.BytesIO()
    torch.save({"emissions.weight": RunsCode()}, buffer)
    write(buffer.getvalue())
    with pytest.raises(ValueError, match="other than tensors, which is never loaded") as found:
        spacy.load(tmp_path)
    assert "weights_only" not in str(found.value)
    assert "code was run" not in capsys.readouterr().out


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e26, -1e31])
def test_scores_beyond_all_measure_are_refused(value):
    nlp = make_nlp()
    network = shim_of(nlp.get_pipe("ner").model.get_ref("output_layer"))._model
    with torch.no_grad():
        network.start[0] = value
    with pytest.raises(ValueError, match="NaN, infinite or beyond 1e19"):
        nlp("Who is Khan")


def test_dollar_signs_in_settings_stay_as_they_are(tmp_path):
    """spaCy doubles them in the config each time that it saves a pipeline."""
    nlp = make_nlp(spans_key="a$b", candidates_key="$$", incorrect_spans_key="US$")
    nlp.add_pipe("entities_to_spans", config={"spans_key": "$"})
    sources = {"$": {"labels": [["US$", 0.5]]}}
    nlp.add_pipe("entity_merger", config={"sources": sources, "spans_key": "a$$b$c"})
    for number in range(3):
        nlp.to_disk(tmp_path / str(number))
        nlp = spacy.load(tmp_path / str(number))
        nlp = pickle.loads(pickle.dumps(nlp))
        nlp = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    ner, aside, merger = (pipe for _, pipe in nlp.pipeline)
    assert (ner.spans_key, ner.candidates_key, ner.incorrect_spans_key) == ("a$b", "$$", "US$")
    assert aside.spans_key == "$"
    assert merger.sources["$"].labels == {"US$": 0.5}
    assert merger.spans_key == "a$$b$c"
    # What somebody changes counts
    config = {"components.entity_merger.spans_key": "c", "components.ner.spans_key": "d"}
    nlp = spacy.load(tmp_path / "2", config=config)
    assert nlp.get_pipe("entity_merger").spans_key == "c"
    assert nlp.get_pipe("ner").spans_key == "d"


def test_a_merger_that_an_earlier_version_saved(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_merger", config={"sources": {"a": {"weight": 0.5}}})
    nlp.to_disk(tmp_path)
    rmtree(tmp_path / "entity_merger")
    assert spacy.load(tmp_path).get_pipe("entity_merger").sources["a"].weight == 0.5
