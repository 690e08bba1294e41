"""The project: its data sets, their conversion, and what project.yml says of them."""

import configparser
import gzip
import hashlib
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from spacy.training import Example
from weasel.util import load_project_config, parse_config_overrides

from scripts.show import print_scores
from tests.helpers import examples_for, spacy_command, trained_nlp

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"
PROJECT = srsly.read_yaml(ROOT / "project.yml")
SPLITS = ("train", "dev", "test")


def convert(dataset, assets, out):
    """What the project's `convert` command does; returns the docs of each split."""
    command = [sys.executable, "scripts/prepare.py", dataset, str(assets), str(out / "columns")]
    subprocess.run(command, check=True, cwd=ROOT)
    (command,) = [command for command in PROJECT["commands"] if command["name"] == "convert"]
    options = command["script"][1].partition("corpus/${vars.dataset}/columns")[2].split()[1:]
    spacy_command("bilstm-crf", "convert", out / "columns", out, *options)
    vocab = spacy.blank("en").vocab
    return {
        split: [
            doc
            for path in (out / split).glob("*.spacy")
            for doc in DocBin().from_disk(path).get_docs(vocab)
        ]
        for split in SPLITS
    }


def found(docs):
    return [[(ent.text, ent.label_) for ent in doc.ents] for doc in docs]


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf8")


def test_lines_of_a_tab_separate_texts(tmp_path):
    part = "I\tO\nam\tO\nAda\tB-person\n"
    write(
        tmp_path / "in",
        wnut17train__conll=f"{part}\t\nBob\tB-person\nRay\tI-person\nleft\tO\n\t\n\t\n",
        emerging__dev__conll=f"{part}\n",
        emerging__test__annotated=part,
    )
    docs = convert("wnut17", tmp_path / "in", tmp_path / "out")
    assert found(docs["train"]) == [[("Ada", "person")], [("Bob Ray", "person")]]
    assert found(docs["dev"]) == found(docs["test"]) == [[("Ada", "person")]]


def test_iob1_in_four_columns_and_a_dev_part_from_the_last_document(tmp_path):
    start = "-DOCSTART- -X- O O\n\n"
    first = "Acme NNP - I-ORG\nInc NNP - I-ORG\nBell NNP - B-ORG\nRome NNP - I-LOC\n\n"
    second = "To TO - O\nOslo NNP - I-LOC\n\n"
    write(
        tmp_path / "in", FIN5__txt=start + first + second + start + second, FIN3__txt=start + first
    )
    docs = convert("sec-filings", tmp_path / "in", tmp_path / "out")
    entities = [("Acme Inc", "ORG"), ("Bell", "ORG"), ("Rome", "LOC")]
    assert found(docs["train"]) == [entities, [("Oslo", "LOC")]]
    assert found(docs["dev"]) == [[("Oslo", "LOC")]]
    assert found(docs["test"]) == [entities]


def test_the_shipped_corpus_keeps_its_documents_and_domains(tmp_path):
    docs = convert("four-domains", ROOT / "assets/four-domains", tmp_path)
    assert {path.stem for path in (tmp_path / "dev").glob("*.spacy")} == {
        *("biomedical", "financial", "legal", "news")
    }
    for split in SPLITS:
        text = "".join(
            path.read_text(encoding="utf8")
            for path in (ROOT / "assets/four-domains" / split).glob("*.conll")
        )
        assert len(docs[split]) == text.count("-DOCSTART-")
        assert sum(len(doc.ents) for doc in docs[split]) == text.count(" B-")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nonsense", "assets"], "Unknown data set 'nonsense'"),
        (["wnut17", "nowhere"], "project assets"),
    ],
)
def test_mistakes_are_explained(arguments, message):
    command = [sys.executable, "scripts/prepare.py", *arguments, "out"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode != 0
    assert message in done.stderr


def test_the_docs_name_every_data_set_and_variable():
    page = (ROOT / "docs" / "tutorial" / "getting-started.md").read_text(encoding="utf8")
    datasets = {Path(asset["dest"]).parent.parts[1] for asset in PROJECT["assets"]}
    for name in datasets:
        assert f"`{name}`" in page or f"dataset {name}" in page
    assert f"`{PROJECT['vars']['dataset']}` (the default)" in page
    assert set(PROJECT["workflows"]["all"]) <= {command["name"] for command in PROJECT["commands"]}


def test_the_shipped_vectors_are_those_of_their_readme(tmp_path):
    (command,) = (command for command in PROJECT["commands"] if command["name"] == "vectors")
    (path,) = command["deps"]
    readme = (ROOT / "assets/vectors/README.md").read_text(encoding="utf8")
    assert hashlib.md5((ROOT / path).read_bytes()).hexdigest() in readme
    spacy_command("init", "vectors", "en", ROOT / path, tmp_path, "--attr", "LOWER")
    vocab = spacy.load(tmp_path).vocab
    assert vocab.vectors.shape == (20_000, 100)
    london, paris, of = (vocab[word].vector for word in ("london", "paris", "of"))
    assert london @ paris > london @ of


def test_vectors_are_cut_to_their_first_words(tmp_path):
    source, out = tmp_path / "source.txt", tmp_path / "cut.txt.gz"
    rows = ["the 0.12345 -1.00049", "of 0.5 2", "in 1 1"]
    script = [sys.executable, ROOT / "scripts/cut_vectors.py"]
    for lines in (rows, ["3 2", *rows]):  # with and without a line of sizes
        source.write_text("\n".join(lines) + "\n", encoding="utf8")
        subprocess.run([*script, source, "2", out], check=True)
        text = gzip.decompress(out.read_bytes()).decode("utf8")
        assert text == "2 2\nthe 0.123 -1\nof 0.5 2\n"
    done = subprocess.run([*script, source, "9", out], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "3 words, fewer than 9" in done.stderr


def test_scores_are_shown_beside_those_of_both_systems_without_vectors(capsys):
    scores = {"p": 0.5, "r": 0.5, "f": 0.5}
    metrics = {f"ents_{key}": value for key, value in scores.items()}
    print_scores("four-domains", {**metrics, "ents_per_type": {"LAW": scores}})
    rows = dict(re.findall(r"^(\S.*?) +\S+ +\S+ +([\d.]+)$", capsys.readouterr().out, re.MULTILINE))
    assert rows == {"all": "50.0", "LAW": "50.0", "ours *": "73.1", "spaCy's ner *": "67.7"}


def test_a_model_card_has_the_licence_and_scores_with_intervals(tmp_path):
    nlp = trained_nlp()
    docs = [example.reference for example in examples_for(nlp)]
    DocBin(docs=docs).to_disk(tmp_path / "test.spacy")
    nlp.to_disk(tmp_path / "model")
    paths = (str(tmp_path / "model"), str(tmp_path / "test.spacy"))
    subprocess.run(
        [sys.executable, "-m", "scripts.card", "wnut17", *paths, "--name", "x"],
        check=True,
        cwd=ROOT,
    )
    meta = srsly.read_json(tmp_path / "model" / "meta.json")
    assert meta["license"] == meta["sources"][0]["license"] == "CC BY 4.0"
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf8")
    scores = nlp.evaluate([Example(nlp.make_doc(doc.text), doc) for doc in docs])
    (row,) = [line for line in card.splitlines() if line.startswith("| all |")]
    n_entities = sum(len(doc.ents) for doc in docs)
    assert row.startswith(f"| all | {n_entities} | {100 * scores['ents_p']:.1f} (")
    assert 'spacy.load("en_x")' in card and "CC BY 4.0" in card and "WNUT-17" in card
    assert spacy.load(tmp_path / "model").meta["performance"]["ents_f"] == scores["ents_f"]


def test_every_data_set_has_a_pipeline_to_release():
    facts = srsly.read_json(ROOT / "scripts" / "pipelines.json")
    listed = re.search(r"^PIPELINES \?= (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    of_project = {Path(asset["dest"]).parts[1] for asset in PROJECT["assets"]}
    assert set(listed[1].split()) == set(facts) == of_project


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_the_commands_of_a_release_are_what_spacy_project_takes(tmp_path):
    """Weasel refuses an override whose value begins with two dashes, and drops them after `=`."""
    for dataset, options in (("german-ler", ["-l", "de"]), ("wnut17", ["-l", "en", "-v"])):
        target = f"packages/{dataset}/wheel"
        command = ["make", "--dry-run", "--always-make", target, f"VENV={tmp_path}/none"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        printed = done.stdout.replace("\\\n", " ")
        (arguments,) = re.findall(r"project run release \. (.*)", printed)
        overrides = parse_config_overrides(shlex.split(arguments))
        config = load_project_config(ROOT, overrides=overrides)
        scripts = {command["name"]: command["script"] for command in config["commands"]}
        words = shlex.split(scripts["init-config"][0])
        at = words.index(f"corpus/{dataset}/dev") + 1
        assert words[at : at + len(options)] == options
        assert set(config["workflows"]["release"]) <= set(scripts)


def test_quiet_prints_of_a_failure_alone():
    quiet = [sys.executable, ROOT / "scripts/quiet.py", sys.executable, "-c"]
    for code, rc, printed in (("print('pages')", 0, ""), ("print('pages'); exit(3)", 3, "pages\n")):
        done = subprocess.run([*quiet, code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (rc, printed)


downloaded = pytest.mark.parametrize(
    "dataset, n_docs, n_entities",
    [
        ("wnut17", (3394, 1009, 1287), (1975, 836, 1079)),
        ("ncbi-disease", (5424, 923, 940), (5134, 787, 960)),
    ],
)


@pytest.mark.data
@pytest.mark.skipif(not SHARED.exists(), reason="needs the data sets in ../shared/data")
@downloaded
def test_downloaded_data_sets_convert_whole(dataset, n_docs, n_entities, tmp_path):
    docs = convert(dataset, SHARED / dataset, tmp_path)
    assert tuple(len(docs[split]) for split in SPLITS) == n_docs
    assert tuple(sum(len(doc.ents) for doc in docs[split]) for split in SPLITS) == n_entities


@pytest.mark.data
@pytest.mark.skipif(not SHARED.exists(), reason="needs the data sets in ../shared/data")
def test_german_ler_trains_on_nine_tenths_of_its_dev_file(tmp_path):
    docs = convert("german-ler", SHARED / "german-ler", tmp_path)
    assert tuple(len(docs[split]) for split in SPLITS) == (5999, 667, 6673)
    assert len({ent.label_ for doc in docs["train"] for ent in doc.ents}) == 19
    assert not any("\r" in token.text for doc in docs["dev"] for token in doc)


@pytest.mark.data
@pytest.mark.skipif(not SHARED.exists(), reason="needs the data sets in ../shared/data")
def test_sec_filings_convert_whole(tmp_path):
    docs = convert("sec-filings", SHARED / "sec-filings", tmp_path)
    assert len(docs["train"]) + len(docs["dev"]) == 1164
    labels = Counter(ent.label_ for doc in docs["test"] for ent in doc.ents)
    assert set(labels) == {"PER", "ORG", "LOC", "MISC"}
    assert max(len(doc) for doc in docs["train"]) < 1000


@pytest.mark.data
@pytest.mark.skipif(not SHARED.exists(), reason="needs the data sets in ../shared/data")
def test_assets_that_are_in_place_are_not_downloaded(tmp_path):
    for asset in PROJECT["assets"]:
        source = SHARED / Path(asset["dest"]).relative_to("assets")
        if "url" in asset:
            assert hashlib.md5(source.read_bytes()).hexdigest() == asset["checksum"]
        else:
            source = ROOT / asset["dest"]
        target = tmp_path / asset["dest"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    shutil.copy(ROOT / "project.yml", tmp_path)
    printed = spacy_command("project", "assets", tmp_path)
    assert printed.count("Skipping download") == sum("url" in asset for asset in PROJECT["assets"])


def pinned(path):
    lines = (ROOT / path).read_text(encoding="utf8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def test_the_lowest_versions_are_those_of_setup_cfg():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf8")
    extras = config["options.extras_require"].values()
    required = "".join([config["options"]["install_requires"], *extras])
    lowest = dict(re.findall(r"^([\w-]+(?:\[\w+\])?)>=([\w.]+)", required, flags=re.MULTILINE))
    assert len(lowest) == 23
    in_file = pinned("requirements-lowest.txt")
    assert {name: in_file.pop(name) for name in lowest} == lowest
    # The rest are the tests' own
    all_pinned = {}
    for name in ("requirements", "requirements-serve", "requirements-dev"):
        all_pinned |= pinned(f"{name}.txt")
    assert in_file.items() <= all_pinned.items()


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_training_needs_no_requirements_of_tests_and_docs(tmp_path):
    def steps(target):
        command = ["make", "--dry-run", target, f"VENV={tmp_path}/none"]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout

    for target, files in (("train", ""), ("demo", "-serve"), ("test", "-dev"), ("docs", "-dev")):
        installed = re.findall(r"-r requirements(\S*)\.txt", steps(target))
        assert set(installed) == {"", files}, target
    assert "--quiet" not in steps("test")  # it takes minutes
