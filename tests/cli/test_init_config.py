"""`init-config`: what it sees, what it chooses, what it refuses."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin
from thinc.api import Config

from spacy_bilstm_crf.data.corpus import read_docs
from spacy_bilstm_crf.data.statistics import likely_language, survey
from spacy_bilstm_crf.workflows.init_config.recipe import BILSTM_LENGTH, THRESHOLDS
from tests.helpers import ROOT, spacy_command

SENTENCES = [
    "The court of Hamburg was not in favour of what they had done to Ada Lovelace .",
    "It is not as if there were more of them in London than there are here .",
    "And so we went to Paris with all of our friends from Berlin , who were the last to be asked .",
]
PLACES = ("Hamburg", "London", "Paris", "Berlin")


def annotated(words, **kwargs):
    doc = Doc(spacy.blank("xx").vocab, words=words)
    places = [doc[i : i + 1] for i, word in enumerate(words) if word in PLACES]
    ents = [spacy.tokens.Span(doc, span.start, span.end, label="PLACE") for span in places]
    doc.set_ents(ents, **kwargs)
    return doc


def docs_of(texts=SENTENCES, **kwargs):
    return [annotated(text.split(" "), **kwargs) for text in texts]


def write(path, docs):
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


@pytest.fixture
def train_path(tmp_path):
    return write(tmp_path / "train.spacy", docs_of())


@pytest.fixture
def vectors_path(tmp_path):
    return vectors_with(["the", "london"], tmp_path / "vectors")


def vectors_with(words, path):
    nlp = spacy.blank("en")
    for word in words:
        nlp.vocab.set_vector(word, np.ones(8, dtype="float32"))
    nlp.to_disk(path)
    return path


def init_config(out, *arguments, exit_codes=(0,)):
    printed = spacy_command("bilstm-crf", "init-config", out, *arguments, exit_codes=exit_codes)
    return " ".join(printed.split())  # messages are wrapped


def refused(tmp_path, *arguments):
    """What is said where nothing is written: a single line, and exit code 1."""
    out = tmp_path / "refused.cfg"
    printed = spacy_command("bilstm-crf", "init-config", out, *arguments, exit_codes=(1,))
    assert len(printed.strip().splitlines()) == 1
    assert not out.exists()
    return printed


@pytest.fixture
def patterns_path(tmp_path):
    patterns = [
        {"label": "CITY", "pattern": "Hamburg"},
        {"label": "CITY", "pattern": [{"IS_TITLE": True}]},
    ]
    srsly.write_jsonl(tmp_path / "patterns.jsonl", patterns)
    return tmp_path / "patterns.jsonl"


@pytest.mark.parametrize("sources", [[], ["--vectors"], ["--vectors", "--lookups"]])
def test_the_config_is_complete_valid_and_trains(sources, train_path, vectors_path, tmp_path):
    out = tmp_path / "config.cfg"
    options = [option for option in sources if option != "--vectors"]
    if "--vectors" in sources:
        options += ["--vectors", vectors_path]
    if "--lookups" in sources:
        pytest.importorskip("spacy_lookups_data", reason="needs the [lookups] extra")
    init_config(out, "--train", train_path, "--dev", train_path, *options)
    filled = tmp_path / "filled.cfg"
    spacy_command("init", "fill-config", out, filled)
    assert Config().from_disk(filled) == Config().from_disk(out)
    spacy_command("debug", "config", out)
    short = ["--training.max_steps=4", "--training.eval_frequency=2"]
    spacy_command("train", out, "--output", tmp_path / "trained", *short)
    nlp = spacy.load(tmp_path / "trained" / "model-last")
    nlp.resume_training()
    assert nlp.lang == "en"
    assert bool(nlp.vocab.vectors_length) == ("--vectors" in sources)
    attrs = nlp.config["components"]["ner"]["model"]["tok2vec"]["attrs"]
    assert ("CLUSTER" in attrs) == ("--lookups" in sources)


def test_a_dollar_sign_in_a_path(train_path, vectors_path, patterns_path, tmp_path):
    folder = tmp_path / "data$"
    folder.mkdir()
    train, patterns = folder / "a$$b.spacy", folder / "patterns.jsonl"
    train.write_bytes(train_path.read_bytes())
    patterns.write_bytes(patterns_path.read_bytes())
    spacy.load(vectors_path).to_disk(folder / "vectors")
    vectors = ["--vectors", folder / "vectors", "--patterns", patterns]
    init_config(tmp_path / "my.cfg", "--train", train, "--dev", train, *vectors)
    short = ["--training.max_steps=1", "--training.optimizer.learn_rate.total_steps=1"]
    spacy_command("train", tmp_path / "my.cfg", "--output", tmp_path / "trained", *short)


def test_a_transformer_is_fine_tuned_on_a_gpu(train_path, tmp_path):
    pytest.importorskip("spacy_transformers", reason="needs the [transformers] extra")
    out = tmp_path / "config.cfg"
    printed = init_config(out, "--train", train_path, "--transformer", "some-bert", "--gpu")
    assert "--paths.dev dev.spacy --gpu-id 0" in printed
    config = Config().from_disk(out)
    assert config["nlp"]["pipeline"] == ["transformer", "ner"]
    assert config["components"]["transformer"]["model"]["name"] == "some-bert"
    assert config["components"]["transformer"]["model"]["mixed_precision"] is True
    assert config["system"]["gpu_allocator"] == "pytorch"
    filled = tmp_path / "filled.cfg"
    spacy_command("init", "fill-config", out, filled)
    assert Config().from_disk(filled) == config


def test_the_shipped_config_is_its_own_but_for_what_depends_on_data(train_path, tmp_path):
    out = tmp_path / "config.cfg"
    init_config(out, "--train", train_path)
    made = Config().from_disk(out, interpolate=False)
    shipped = Config().from_disk(ROOT / "configs" / "bilstm_crf.cfg", interpolate=False)
    for config in (made, shipped):
        config["paths"] = config["training"]["batcher"]["size"] = None
        for key in ("max_steps", "eval_frequency", "patience"):
            config["training"][key] = None
        config["training"]["optimizer"]["learn_rate"]["total_steps"] = None
        config["components"]["ner"]["threshold"] = None
    assert made == shipped


def test_length_and_threshold_grow_with_the_data(tmp_path):
    steps = [BILSTM_LENGTH.steps(n) for n in (1, 200, 1000, 5000, 20_000, 1_000_000)]
    assert steps == sorted(steps)
    assert steps[0] == BILSTM_LENGTH.least_steps and steps[-1] == BILSTM_LENGTH.most_steps
    thresholds = [threshold for _, threshold in THRESHOLDS]
    assert thresholds == sorted(thresholds)
    # Twenty sentences of ten words, however many of them a doc has
    for name, docs in (
        ("sentences", [annotated(["London"] * 10) for _ in range(30)]),
        ("documents", [annotated(["London"] * 50) for _ in range(6)]),
    ):
        for doc in docs:
            for i, token in enumerate(doc):
                token.is_sent_start = i % 10 == 0
        out = tmp_path / f"{name}.cfg"
        init_config(out, "--train", write(tmp_path / f"{name}.spacy", docs))
        size = Config().from_disk(out)["training"]["batcher"]["size"]
        assert size == 10 * BILSTM_LENGTH.sentences_a_batch


def test_entities_that_recur_are_best_found_without_a_threshold(tmp_path):
    recurring = [annotated(["in", "London", "now"]) for _ in range(4)]
    found = survey(recurring)
    assert (found.n_recurring, found.n_entities) == (4, 4)
    fresh = [annotated([word, "is", "far"]) for word in ("London", "london", "Paris", "Berlin")]
    assert survey(fresh).n_recurring == 0
    for docs, threshold in ((recurring, None), (fresh, THRESHOLDS[0][1])):
        out = tmp_path / "config.cfg"
        init_config(out, "--force", "--train", write(tmp_path / "train.spacy", docs))
        assert Config().from_disk(out)["components"]["ner"]["threshold"] == threshold


def test_every_choice_has_its_reason_above_it(train_path, tmp_path):
    out = tmp_path / "config.cfg"
    init_config(out, "--train", train_path)
    lines = out.read_text().splitlines()
    for key in ("max_steps", "total_steps", "eval_frequency", "size", "threshold"):
        (place,) = (i for i, line in enumerate(lines) if line.startswith(f"{key} = "))
        assert lines[place - 1].startswith("# ")


def test_stdout_is_the_config_alone(train_path):
    printed = spacy_command("bilstm-crf", "init-config", "-", "--train", train_path)
    config = Config().from_str(printed)
    assert config["paths"]["train"] == str(train_path)


def test_what_it_saw_is_counted():
    docs = docs_of()
    found = survey([*docs, docs[0]])
    assert (found.n_docs, found.n_sentences, found.n_repeated) == (4, 4, 1)
    assert found.n_of_label == {"PLACE": 5}
    assert found.n_inside == 5 and found.n_missing == 0
    assert found.n_tokens == found.n_inside + found.n_outside == sum(map(len, docs)) + len(docs[0])
    assert found.n_longest == max(map(len, docs))


def test_it_says_what_is_odd(tmp_path):
    train = write(tmp_path / "train.spacy", [*docs_of(), docs_of()[0]])
    other = annotated(["Ada", "wrote", "."])
    other.set_ents([spacy.tokens.Span(other, 0, 1, label="PERSON")], missing=[other[1:2]])
    dev = write(tmp_path / "dev.spacy", [docs_of()[1], other])
    out = tmp_path / "config.cfg"
    printed = init_config(out, "--train", train, "--dev", dev)
    for said in (
        "4 docs, each of them counted as one sentence",
        "1 training docs repeat the words of an earlier one",
        "--write-clean DIR leaves out the 1 that are exact copies",
        "1 of the 2 development docs are also in the training data",
        "--write-clean DIR writes training data without them",
        "Labels only in the development data, so never found: PERSON",
        "of the development tokens have no annotation",
        "Fewer than 20 entities to learn from: PLACE",
        "Language: en, detected from stop words",
    ):
        assert said in printed
    assert "also in the training data" in " ".join(out.read_text().replace("#", " ").split())


def test_rejected_spans_are_learned_from(tmp_path):
    docs = docs_of()
    tasks = [
        {"text": " ".join(token.text for token in doc), "answer": "accept"} for doc in docs_of()
    ]
    tasks[0]["spans"] = [{"start": 13, "end": 20, "label": "PLACE"}]
    reject = {"text": "Ada Lovelace .", "spans": [{"start": 0, "end": 3, "label": "PLACE"}]}
    srsly.write_jsonl(tmp_path / "tasks.jsonl", [*tasks, {**reject, "answer": "reject"}])
    train, out = tmp_path / "train.spacy", tmp_path / "config.cfg"
    spacy_command("bilstm-crf", "convert", tmp_path / "tasks.jsonl", train, "--from", "prodigy")
    printed = init_config(out, "--train", train)
    assert "1 rejected spans in doc.spans['incorrect_spans']" in printed
    assert Config().from_disk(out)["components"]["ner"]["incorrect_spans_key"] == "incorrect_spans"
    # Under another key, and none there
    docs[0].spans["wrong"] = [docs[0][0:2]]
    train = write(tmp_path / "other.spacy", docs)
    options = ["--train", train, "--force", "--incorrect-spans-key"]
    init_config(out, *options, "wrong")
    assert Config().from_disk(out)["components"]["ner"]["incorrect_spans_key"] == "wrong"
    assert "have no spans there. doc.spans has: wrong" in refused(tmp_path, *options, "typo")
    init_config(out, "--train", train, "--force")
    assert Config().from_disk(out)["components"]["ner"]["incorrect_spans_key"] is None


def test_clean_data_have_no_copies_and_nothing_of_dev(train_path, tmp_path):
    first, second, third = docs_of()
    differing = annotated(SENTENCES[0].split(" "))
    differing.ents = ()
    first.user_data["id"] = "a"
    train = write(tmp_path / "train.spacy", [first, second, first, third, differing])
    dev = write(tmp_path / "dev.spacy", [third])
    out, clean = tmp_path / "config.cfg", tmp_path / "clean"
    options = ["--train", train, "--dev", dev, "--write-clean", clean]
    printed = init_config(out, *options)
    assert "Left out of 5 training docs: 1 that are also in the development data, and 1" in printed
    assert "also in the training data" not in printed and "exact copies." not in printed
    assert "1 training docs repeat the words of an earlier one. 1 of them are annotated" in printed
    assert Config().from_disk(out)["paths"]["train"] == str(clean / "train.spacy")
    kept = read_docs(clean / "train.spacy", spacy.blank("xx").vocab)
    assert [doc.text for doc in kept] == [first.text, second.text, differing.text]
    assert kept[0].user_data["id"] == "a" and kept[0].ents and not kept[2].ents
    printed = refused(tmp_path, *options)
    assert "exists. Replace it with --force" in printed
    init_config(out, *options, "--force")
    for folder, message in ((tmp_path, "is, or is inside, the input"), (train, "is a file")):
        before = train.read_bytes()
        said = refused(tmp_path, "--train", train, "--write-clean", folder, "--force")
        assert message in said and train.read_bytes() == before
    said = refused(tmp_path, "--train", train, "--dev", train, "--write-clean", tmp_path / "none")
    assert "All 5 training docs are also in the development data" in said


def untokenized(text, *ents):
    """A doc of which only the text and its entities are given, as characters."""
    doc = spacy.blank("en").make_doc(text)
    doc.ents = [doc.char_span(*ent, label="PLACE") for ent in ents]
    return doc


def test_entities_that_are_not_made_of_tokens_are_counted(tmp_path):
    # Tokens of English that others do not cut
    docs = [untokenized("It can't be in London", (3, 5)), untokenized("London, now", (0, 6))]
    train, out = write(tmp_path / "train.spacy", docs), tmp_path / "config.cfg"
    printed = init_config(out, "--train", train, "--lang", "xx")
    assert (
        "1 of the 2 entities of the training data don't begin and end where tokens of the language "
        "'xx' do, such as 'ca' (PLACE) in doc 0." in printed
    )
    assert "audit CONFIG TRAIN --folds 0 --output DIR` lists them" in printed
    assert "don't begin and end" not in init_config(out, "--train", train, "--lang=en", "--force")
    dev = write(tmp_path / "dev.spacy", docs[:1])
    said = refused(tmp_path, "--train", train, "--dev", dev, "--lang", "xx")
    assert "1 of the 1 entities of the development data" in said
    assert "name the language of the data with --lang" in said


def test_an_entity_with_a_blank_is_not_made_of_tokens(tmp_path):
    docs = docs_of()
    doc = Doc(docs[0].vocab, words=["in", "Rome", "\n"], spaces=[True, False, False])
    doc.ents = [spacy.tokens.Span(doc, 1, 3, label="PLACE")]
    train = write(tmp_path / "train.spacy", [*docs, doc])
    printed = init_config(tmp_path / "config.cfg", "--train", train)
    assert "1 of the 5 entities of the training data don't begin" in printed


def test_partial_annotation_is_seen(tmp_path):
    half = docs_of(missing=[], default="outside")
    half[0].set_ents(half[0].ents, missing=[half[0][0:3]], default="outside")
    printed = init_config(tmp_path / "half.cfg", "--train", write(tmp_path / "half.spacy", half))
    assert "% of the tokens have no annotation" in printed
    assert Config().from_disk(tmp_path / "half.cfg")["components"]["ner"]["entity_ratio"] is None
    only = write(tmp_path / "only.spacy", docs_of(default="missing"))
    printed = init_config(tmp_path / "only.cfg", "--train", only)
    assert "No token is known to be outside" in printed
    config = Config().from_disk(tmp_path / "only.cfg")
    found = survey(docs_of())
    rate = config["components"]["ner"]["entity_ratio"]["rate"]
    assert rate == pytest.approx(found.n_inside / found.n_tokens, abs=1e-4)
    spacy_command("train", tmp_path / "only.cfg", f"--paths.dev={only}", "--training.max_steps=2")


def test_vectors_of_few_words_are_pointed_out(train_path, vectors_path, tmp_path):
    printed = init_config(tmp_path / "c.cfg", "--train", train_path, "--vectors", vectors_path)
    assert "Only 8% of the tokens have a vector" in printed or "Only" in printed
    assert "Language: en, that of the vectors" in printed


@pytest.mark.parametrize(
    "text, expected",
    [
        ("This is what they had to say about it , and there was not much more to it .", "en"),
        (
            "Das ist aber auch nicht so einfach , wie es sich hier auf den ersten Blick liest .",
            "de",
        ),
        (
            "Il ne faut pas que nous soyons tous dans la même situation que celle de cet homme .",
            "fr",
        ),
        ("xq zzv brr", None),
    ],
)
def test_the_language_is_that_of_the_stop_words(text, expected):
    assert likely_language([annotated(text.split(" "))]) == expected


def test_a_folder_is_read_with_its_folders(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    write(tmp_path / "a" / "one.spacy", docs_of())
    write(tmp_path / "a" / "b" / "two.spacy", docs_of())
    assert len(read_docs(tmp_path / "a", spacy.blank("xx").vocab)) == 2 * len(SENTENCES)


def test_shipped_vectors_are_found_by_name(train_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["--train", train_path, "--vectors", "glove", "--force"]
    printed = init_config("my.cfg", *arguments)
    assert "20,000 that come with this package, saved in" in printed
    vocab = spacy.load("glove").vocab
    assert vocab.vectors.shape == (20_000, 100) and vocab["london"].has_vector
    assert Config().from_disk("my.cfg")["paths"]["vectors"] == "glove"
    # A folder of that name is what it says, whoever made it
    assert "come with this package" not in init_config("my.cfg", *arguments)
    shutil.rmtree("glove")
    (tmp_path / "glove").touch()
    assert "glove is a file" in refused(tmp_path, *arguments)


def test_what_can_not_be_trained_on_is_refused_in_one_line(train_path, vectors_path, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged.spacy").write_bytes(train_path.read_bytes()[:-40])
    (tmp_path / "columns.conll").write_text("London B-PLACE\n")
    bare = write(tmp_path / "bare.spacy", docs_of(["Nobody is here ."]))
    none = write(tmp_path / "none.spacy", [])
    plain = tmp_path / "plain"
    spacy.blank("en").to_disk(plain)
    foreign = vectors_with(["qwrtz"], tmp_path / "foreign")
    for arguments, said in (
        (["--train", tmp_path / "nowhere"], "nowhere' does not exist"),
        (["--train", tmp_path / "empty"], "spacy convert"),
        (["--train", tmp_path / "columns.conll"], "spacy convert"),
        (["--train", tmp_path / "damaged.spacy"], "convert the data again"),
        (["--train", bare], "no entity in any of them"),
        (["--train", none], "no entity in any of them"),
        (["--train", train_path, "--dev", tmp_path / "nowhere"], "nowhere' does not exist"),
        (["--train", train_path, "--dev", bare], "no entity in any of them"),
        (["--train", train_path, "--lang", "qq"], "--lang qq"),
        (["--train", train_path, "--vectors", tmp_path / "nowhere"], "spacy init vectors"),
        (["--train", train_path, "--vectors", plain], "no word vectors"),
        (["--train", train_path, "--vectors", foreign], "No word of the training data"),
        (["--train", train_path, "--lang", "xx", "--lookups"], "--lookups"),
        (["--train", train_path, "--transformer", "x", "--lookups"], "Leave one out"),
        (["--train", train_path, "--transformer", "x", "--vectors", vectors_path], "Leave one out"),
    ):
        assert said in refused(tmp_path, *arguments), arguments


def test_what_is_read_is_not_replaced(train_path, tmp_path):
    before = train_path.read_bytes()
    for out, message in (
        (train_path, "is an input file"),
        (tmp_path, "exists. Name another file"),
        (train_path / "my.cfg", "is a file"),
    ):
        printed = init_config(out, "--train", train_path, "--force", exit_codes=(1,))
        assert printed.startswith("Error: ") and message in printed
    assert train_path.read_bytes() == before


def test_a_file_that_exists_is_kept_unless_forced(train_path, tmp_path):
    out = tmp_path / "config.cfg"
    out.write_text("mine")
    printed = init_config(out, "--train", train_path, exit_codes=(1,))
    assert "--force" in printed and out.read_text() == "mine"
    init_config(out, "--train", train_path, "--force")
    assert "[components.ner]" in out.read_text()


def test_other_commands_of_spacy_do_not_load_what_this_one_needs():
    code = (
        "import sys; from spacy.cli import setup_cli; from spacy.util import registry; "
        "registry.cli.get_all(); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "spacy_bilstm_crf.cli.init_config" in loaded
    assert not {name for name in loaded if re.search(r"fitted_config|recipe|survey", name)}


def test_lists_of_names_become_features(train_path, patterns_path, tmp_path):
    out = tmp_path / "config.cfg"
    options = ["--train", train_path, "--dev", train_path, "--patterns", patterns_path]
    said = init_config(out, *options)
    assert "2 patterns with the labels CITY. 25% of the training data's entities" in said
    short = ["--training.max_steps=4", "--training.eval_frequency=2"]
    spacy_command("train", out, "--output", tmp_path / "model", *short)
    nlp = spacy.load(tmp_path / "model" / "model-last")
    doc = nlp("They came to Hamburg .")
    assert [(span.text, span.label_) for span in doc.spans["gazetteer"]][-1] == ("Hamburg", "CITY")
    assert nlp.meta["performance"]["ents_f"] is not None


@pytest.mark.parametrize(
    "content, message",
    [
        ('{"label": "CITY"}', "Entry 1 of .* is not a pattern"),
        ('{"label": "CITY", "pattern": "Berlin"}\n["Berlin"]', "Entry 2 of .* is not a pattern"),
        ("Berlin", "Entry 1 of .* is not valid JSON"),
        ('{"label": "", "pattern": "Berlin"}', "it has no label"),
        ('{"label": "CITY", "pattern": [{"BAD": 1}]}', "Entry 1 of .*BAD"),
        ('{"label": "CITY", "pattern": ["Berlin"]}', "Entry 1 of .* is not a pattern"),
        ('{"label": "A", "pattern": [{"TEXT": {"REGEX": "("}}]}', "Entry 1 of .* unterminated"),
        ('{"label": "A", "pattern": "B", "id": 3}', "Entry 1 of .* its id is 3"),
        ('{"label": "A", "pattern": [{"pos": "PROPN"}]}', "Entry 1 of .* uses POS"),
        ("", "has no patterns"),
        (None, "does not exist"),
    ],
)
def test_bad_patterns_are_refused(content, message, train_path, tmp_path):
    path = tmp_path / "patterns.jsonl"
    if content is not None:
        path.write_text(content)
    said = refused(tmp_path, "--train", train_path, "--patterns", path)
    assert re.search(message, said)
