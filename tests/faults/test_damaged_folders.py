"""Saved pipelines whose files are missing, cut short, altered or another's.

Ours is refused with the folder and what to do, or finds what it found before. The files that are
spaCy's own do beside it what they do beside the stock `ner`.
"""

import random
import shutil

import pytest
import spacy
from catalogue import RegistryError
from spacy.util import fix_random_seed

from spacy_bilstm_crf.workflows import export
from tests.helpers import char_embed_model, make_nlp, trained_nlp

TEXTS = ["I like London.", "Who is Shaka Khan?", "Berlin and London", "", "Who likes Berlin?"]
OURS = ["ner/cfg", "ner/model", "ner/checksums"]
SPACYS = ["tokenizer", "meta.json", "vocab/strings.json", "vocab/key2row", "vocab/vectors"]
SPACYS += ["vocab/lookups.bin", "vocab/vectors.cfg"]
SEEDS = range(22)  # times 9: about 200 damages


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Folders of trained pipelines: ours, the stock, and two others of ours."""
    folder = tmp_path_factory.mktemp("saved")
    for seed, factory in enumerate(("bilstm_crf_ner", "ner")):
        fix_random_seed(seed)
        trained_nlp(factory).to_disk(folder / factory)
    fix_random_seed(2)
    trained_nlp().to_disk(folder / "of the same sizes")
    make_nlp(labels=["LOC", "MORE", "PERSON"]).to_disk(folder / "of other labels")
    export(trained_nlp(model=char_embed_model()), precision="int8").to_disk(folder / "exported")
    return folder


@pytest.fixture
def copied(saved, tmp_path):
    """Copies a folder, and says where it is now."""

    def copy(name="bilstm_crf_ner"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        return shutil.copytree(saved / name, tmp_path / name)

    return copy


@pytest.fixture(scope="module")
def expected(saved):
    return found(saved / "bilstm_crf_ner")


def found(folder):
    """What a pipeline finds, to the last bit of the probabilities."""
    return entities_of(spacy.load(folder).pipe(TEXTS))


def entities_of(docs):
    return [[(ent.text, ent.label_, ent._.confidence) for ent in doc.ents] for doc in docs]


@pytest.fixture(scope="module")
def found_by_component(saved):
    """What a saved component finds, in a pipeline that is whole: quicker than to load all."""
    nlp = spacy.load(saved / "bilstm_crf_ner")
    config = dict(nlp.config["components"]["ner"])
    del config["factory"]

    def found(folder):
        ner = nlp.create_pipe("bilstm_crf_ner", "ner", config=config)
        ner.from_disk(folder / "ner", exclude=["vocab"])
        return entities_of(ner.pipe(map(nlp.make_doc, TEXTS)))

    return found


def cut_short(path, rng):
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content))])


def flip_a_bit(path, rng):
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def overwrite_a_part(path, rng):
    content = bytearray(path.read_bytes())
    start = rng.randrange(len(content))
    part = content[start : start + 512]
    content[start : start + 512] = rng.randbytes(len(part))
    path.write_bytes(content)


def remove(path, rng):
    path.unlink()


def empty(path, rng):
    path.write_bytes(b"")


def put_a_folder_there(path, rng):
    path.unlink()
    path.mkdir()


ONCE = [remove, empty, put_a_folder_there]
RANDOM = [cut_short, flip_a_bit, overwrite_a_part]


def assert_refused_or_unchanged(folder, expected, load=found):
    """Whether it was refused."""
    try:
        unchanged = load(folder) == expected
    except ValueError as error:
        message = str(error)
        assert f"component from the folder {folder / 'ner'}: " in message
        assert "copy or unpack the pipeline again" in message
        assert "weights_only" not in message
        return True
    assert unchanged
    return False


@pytest.mark.parametrize("file", OURS)
@pytest.mark.parametrize("harm", ONCE)
def test_a_file_of_ours_is_gone(copied, expected, file, harm):
    folder = copied()
    harm(folder / file, None)
    refused = assert_refused_or_unchanged(folder, expected)
    # Pipelines of before there were checksums load, too
    assert refused or (file, harm) == ("ner/checksums", remove)


@pytest.mark.slow
@pytest.mark.parametrize("harm", RANDOM)
def test_an_exported_model_is_damaged_at_random(copied, saved, harm):
    expected = found(saved / "exported")
    for seed in SEEDS:
        folder = copied("exported")
        harm(folder / "ner" / "model", random.Random(seed))
        assert_refused_or_unchanged(folder, expected)


@pytest.mark.slow
@pytest.mark.parametrize("file", OURS)
@pytest.mark.parametrize("harm", RANDOM)
def test_a_file_of_ours_is_damaged_at_random(copied, expected, found_by_component, file, harm):
    refused = 0
    for seed in SEEDS:
        folder = copied()
        harm(folder / file, random.Random(seed))
        refused += assert_refused_or_unchanged(folder, expected, found_by_component)
    # All but what is white space, or the name of a file beside its checksum
    assert refused == len(SEEDS) or file != "ner/model"
    assert refused > len(SEEDS) / 2


def test_a_flipped_bit_of_a_weight_or_a_label_is_found(copied):
    for file, before, after in (
        ("cfg", b'"LOC"', b'"LOB"'),
        ("cfg", b'"temperature":1.0', b'"temperature":3.0'),
    ):
        folder = copied()
        content = (folder / "ner" / file).read_bytes()
        assert content.count(before) == 1
        (folder / "ner" / file).write_bytes(content.replace(before, after))
        with pytest.raises(ValueError, match=rf"{file} is not the one that was saved"):
            spacy.load(folder)
    folder = copied()
    # A table of Thinc's: torch's own checksums are of the network above it
    table = spacy.load(folder).get_pipe("ner").model.get_ref("tok2vec").to_bytes()[-5000:-4000]
    model = bytearray((folder / "ner" / "model").read_bytes())
    found_at = [at for at in range(0, 1000, 100) if model.count(table[at : at + 100]) == 1]
    assert found_at
    for at in found_at:
        damaged = bytearray(model)
        damaged[model.index(table[at : at + 100])] ^= 1
        (folder / "ner" / "model").write_bytes(damaged)
        with pytest.raises(ValueError, match="model is not the one that was saved: its checksum"):
            spacy.load(folder)


@pytest.mark.parametrize("file", ["cfg", "model", "checksums"])
@pytest.mark.parametrize("other", ["of the same sizes", "of other labels", "ner"])
def test_a_file_is_that_of_another_model(saved, copied, expected, file, other):
    folder = copied()
    theirs = saved / other / "ner" / file
    if not theirs.exists():
        pytest.skip("spaCy's ner has none")
    shutil.copyfile(theirs, folder / "ner" / file)
    refused = assert_refused_or_unchanged(folder, expected)
    # Settings and labels are the same in both
    assert refused or (file, other) == ("cfg", "of the same sizes")


def test_the_whole_component_is_gone(copied, expected):
    folder = copied()
    shutil.rmtree(folder / "ner")
    assert assert_refused_or_unchanged(folder, expected)


def test_the_settings_may_have_other_line_endings(copied, expected):
    folder = copied()
    path = folder / "ner" / "cfg"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert found(folder) == expected


def test_without_checksums_settings_can_be_changed_by_hand(copied):
    folder = copied()
    path = folder / "ner" / "cfg"
    path.write_text(path.read_text().replace('"temperature":1.0', '"temperature":3.0'))
    with pytest.raises(ValueError, match="If you changed it on purpose, remove that file"):
        spacy.load(folder)
    (folder / "ner" / "checksums").unlink()
    assert spacy.load(folder).get_pipe("ner").cfg["temperature"] == 3.0


# What is spaCy's own


def outcome(folder, file, harm, seed):
    """How loading ends: with an error of this kind, or not."""
    harm(folder / file, random.Random(seed))
    try:
        nlp = spacy.load(folder)
    except Exception as error:
        return type(error)
    for doc in nlp.pipe(TEXTS):
        assert doc.has_annotation("ENT_IOB") or not len(doc)
    return None


@pytest.mark.slow
@pytest.mark.parametrize("file", SPACYS)
def test_a_damaged_file_of_spacys_does_what_it_does_beside_the_stock_ner(saved, copied, file):
    # The same file in both, so that the damage is the same
    for harm, seeds in [(harm, [0]) for harm in ONCE] + [(harm, range(3)) for harm in RANDOM]:
        for seed in seeds:
            folders = copied("bilstm_crf_ner"), copied("ner")
            shutil.copyfile(folders[1] / file, folders[0] / file)
            ours, stock = (outcome(folder, file, harm, seed) for folder in folders)
            assert ours == stock, (harm, seed)


@pytest.mark.slow
@pytest.mark.parametrize("harm", [*ONCE, *RANDOM])
def test_a_damaged_config_is_an_error_or_changes_nothing(copied, expected, harm):
    for seed in range(1 if harm in ONCE else 12):
        folder = copied()
        harm(folder / "config.cfg", random.Random(seed))
        try:
            unchanged = found(folder) == expected
        except (ValueError, OSError, RegistryError):
            continue
        assert unchanged
