"""The comparison with other systems: scores, the protocol of its processes, tables, resumption."""

import io
import json
import random
import re
import sys
from pathlib import Path

import pytest
import spacy
import typer
from spacy.scorer import Scorer
from spacy.tokens import Doc, Span
from spacy.training import Example

from benchmarks.harness.training import write_docs
from benchmarks.peers import accuracy, speed
from benchmarks.peers.accuracy import Study, Trained, check, f_of, model_folder, started, texts_of
from benchmarks.peers.published import PUBLISHED
from benchmarks.peers.systems import CELLS, SYSTEMS, Pretrained
from benchmarks.peers.workers import protocol
from benchmarks.peers.workers.protocol import Text, read_texts, spread_over, write_texts
from benchmarks.speed.worker import ANSWER
from tests.helpers import entities, trained_nlp

LABELS = ["A", "B"]


def random_entities(rng, n_words):
    """Entities that don't overlap."""
    found, start = [], 0
    while start < n_words:
        end = min(n_words, start + rng.randint(1, 3))
        if rng.random() < 0.4:
            found.append((start, end, rng.choice(LABELS)))
        start = end
    return found


def test_the_score_is_that_of_spacy():
    rng, vocab = random.Random(0), spacy.blank("en").vocab
    gold, found, examples = [], [], []
    for _ in range(50):
        words = ["w"] * rng.randint(1, 12)
        annotated = random_entities(rng, len(words))
        # Half of it right, or else hardly anything would be
        guessed = annotated if rng.random() < 0.5 else random_entities(rng, len(words))
        gold.append(Text(words, annotated))
        found.append([list(entity) for entity in guessed])  # as JSON has it
        docs = [Doc(vocab, words=words) for _ in range(2)]
        for doc, of_doc in zip(docs, (guessed, annotated)):
            doc.set_ents([Span(doc, *entity) for entity in of_doc])
        examples.append(Example(*docs))
    theirs = 100 * Scorer.score_spans(examples, "ents")["ents_f"]
    assert 20 < theirs < 90
    assert f_of(gold, found) == pytest.approx(theirs)
    assert f_of(gold, [[] for _ in gold]) == 0.0


def test_texts_survive_json(tmp_path):
    texts = [Text(["Zoë", "\u2028", "a b"], [(0, 2, "A")]), Text(["x"], [])]
    path = write_texts(texts, tmp_path / "texts.jsonl")
    assert read_texts(path) == texts


def test_few_texts_come_from_all_over():
    texts = [[str(i)] for i in range(10)]
    assert spread_over(texts, 5) == [["0"], ["2"], ["4"], ["6"], ["8"]]
    assert spread_over(texts, 20) == texts


class Upper:
    """Finds words in capitals."""

    def __init__(self, model):
        self.label = Path(model).name

    def prepared(self, batches):
        return [[[words, None] for words in batch] for batch in batches]

    def find(self, batch):
        for text in batch:
            text[1] = [(i, i + 1, self.label) for i, word in enumerate(text[0]) if word.isupper()]

    def found(self, batch):
        return [found for _, found in batch]


def test_a_system_answers_commands(tmp_path, monkeypatch, capsys):
    texts = write_texts([Text(["a", "B"], []), Text(["c"], [])], tmp_path / "texts.jsonl")
    monkeypatch.setattr(sys, "stdin", io.StringIO("batch\nsingle\nentities\nmemory\n"))
    protocol.answer(Upper, "folder/LABEL", str(texts), "spacy")
    lines = capsys.readouterr().out.splitlines()
    about, seconds, each, found, megabytes = (json.loads(line[len(ANSWER) :]) for line in lines)
    assert about["words"] == 3 and about["versions"] == {"spacy": spacy.__version__}
    assert 0 <= seconds < 1 and len(each) == 2
    assert found == [[[1, 2, "LABEL"]], []]
    assert 10 < megabytes < 100_000


def test_the_largest_memory_stays():
    before = protocol.peak_megabytes()
    block = bytearray(b"x" * (int(before * 1e6) + 50_000_000))  # larger than all up to now
    del block
    after = protocol.peak_megabytes()
    assert after > before + 40 and protocol.peak_megabytes() >= after


@pytest.fixture
def model(tmp_path):
    """A trained pipeline in the folder that a study expects, and its documents."""
    nlp = trained_nlp()
    folder = model_folder(tmp_path, "ours", "four-domains", 0, 0)
    folder.mkdir()
    nlp.to_disk(folder / "model")
    done = Trained(folder / "model", Path(sys.executable), 60.0, 2, 0)
    done.write()
    return nlp, done


def test_a_pipeline_in_another_process_finds_the_same(model, tmp_path):
    nlp, done = model
    docs = [nlp(text) for text in ("Anna lives in Paris.", "Who is Shaka Khan?")]
    assert any(doc.ents for doc in docs)
    part = tmp_path / "part"
    part.mkdir()
    texts = texts_of(write_docs(docs, part / "x.spacy").parent)
    worker = started("ours", done, texts, tmp_path)
    try:
        found = worker.asked("entities")
        assert worker.asked("batch") > 0
    finally:
        worker.process.kill()
    assert [len(of_text) for of_text in found] == [len(entities(doc)) for doc in docs]
    assert f_of(texts, found) == 100.0


def test_a_model_that_is_there_is_not_trained_again(model, tmp_path, monkeypatch):
    def fail(*args):
        raise AssertionError("trained again")

    monkeypatch.setattr(Study, "_made", fail)
    study = Study(tmp_path, Pretrained(tmp_path, None), Path(sys.executable))
    assert study.trained("ours", "four-domains", 0, 0) == model[1]
    with pytest.raises(AssertionError, match="trained again"):
        study.trained("ours", "four-domains", 0, 1)
    monkeypatch.setitem(SYSTEMS, "ours", SYSTEMS["ours"]._replace(most=5))
    with pytest.raises(AssertionError, match="trained again"):
        study.trained("ours", "four-domains", 0, 0)


def test_slow_systems_are_left_with_the_small_parts():
    cells = SYSTEMS["stanza"].cells
    assert set(cells) < set(CELLS)
    assert ("wnut17", 1000) in cells and ("wnut17", 0) not in cells
    assert ("sec-filings", 0) in cells  # it has no smaller part
    assert ("german-ler", 1000) in cells
    assert all(name != "german-ler" for name, _ in SYSTEMS["ours-glove"].cells)
    assert SYSTEMS["ours"].cells == CELLS


@pytest.mark.parametrize(
    ("system", "given", "message"),
    [
        ("flair", {}, "needs --python"),
        ("spacy-minilm", {}, "needs --minilm"),
        ("ours-glove", {"glove": Path("nowhere")}, "nowhere"),
        ("edsnlp", {"python": Path("nowhere/python"), "minilm": Path()}, "nowhere/python"),
    ],
)
def test_what_is_missing_is_named(system, given, message):
    given = {"python": Path(sys.executable), "glove": Path("g"), "minilm": None, **given}
    with pytest.raises(typer.BadParameter, match=message):
        check(SYSTEMS[system], **given)


def run_of(dataset, size, seed, f, seconds=60.0):
    return {
        "dataset": dataset,
        "size": size,
        "seed": seed,
        "processor": "Some CPU",
        "sentences": size or 5424,
        "cpu_seconds": seconds,
        "dev_f": f,
        "test_f": f,
        "versions": {"package": "1.2"},
    }


def measured(system, words_a_second):
    seconds = [1000 / words_a_second, 1100 / words_a_second]
    of_system = {"batch": seconds, "single": [[0.01, 0.02]]}
    found = {"ours": {"batch": [0.1, 0.1], "single": [[0.01, 0.02]]}, system: of_system}
    row = speed.row_of(system, found, 1000)
    return {**row, "memory_mb": 500.0, "model_mb": 2.4, "load_seconds": 1, "versions": {}}


@pytest.fixture
def results(monkeypatch):
    """Made-up results of two systems."""
    ours = [run_of("ncbi-disease", 1000, seed, f) for seed, f in enumerate((80.0, 81.0, 82.0))]
    ours.append(run_of("ncbi-disease", 0, 0, 83.0))
    made_up = [
        {"system": "ours", "runs": ours},
        {"system": "stanza", "runs": [run_of("ncbi-disease", 1000, 0, 70.0, 600.0)]},
        {
            "dataset": "ncbi-disease",
            "size": 1000,
            "seed": 0,
            "processor": "Some CPU",
            "threads": 1,
            "rows": [measured("ours", 10_000), measured("stanza", 2_000)],
        },
    ]

    def read_all(study, pattern="*.json"):
        return made_up[2:] if pattern.startswith("speed") else made_up

    for module in (accuracy, speed):
        monkeypatch.setattr(module, "read_all", read_all)


def cells_of(table):
    """The cells of a table, by the first two columns' texts."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    return [dict(zip(head, row)) for row in rows]


def test_table_of_scores(results):
    table = accuracy.scores_table()
    rows = {row["system"]: row for row in cells_of(table)}
    small = "ncbi-disease, 1,000 sentences"
    whole = "ncbi-disease, all 5,424, without slow systems"
    assert rows["ours"][small] == "80.0; 81.0 ± 1.0"
    assert rows["ours"][whole] == "83.0"
    assert rows[SYSTEMS["stanza"].name][small] == "70.0"
    assert rows[SYSTEMS["stanza"].name][whole] == ""
    assert len(rows) == len(SYSTEMS)
    assert set(rows["ours"]) == {"system", "reads", small, whole}  # what was run
    assert "Some CPU" in table and "Not run yet" not in table


def test_table_of_costs(results):
    ours, stanza = cells_of(speed.table())
    assert ours["ours is times as fast"] == ""
    assert stanza["system"] == SYSTEMS["stanza"].name
    assert stanza["F"] == "70.0" and stanza["minutes to train"] == "10.0"
    assert stanza["words a second"] == "1,900"  # the median of 2,000 and 1,818
    assert stanza["ours is times as fast"] == "5.25 x (5.00 to 5.50)"
    assert stanza["ms a text"] == "15.0" and stanza["MB of memory"] == "500"


def test_table_of_the_first_page(results, monkeypatch):
    monkeypatch.setattr(speed, "OF_FIRST_PAGE", ("ours", "stanza"))
    ours, stanza = cells_of(speed.first_page_table())
    # Of the seed whose model was measured
    assert ours["system"] == "ours (no word vectors)" and ours["ncbi-disease, F"] == "80.0"
    assert stanza["system"] == f"{SYSTEMS['stanza'].name} ({SYSTEMS['stanza'].reads})"
    assert stanza["ncbi-disease, F"] == "70.0" and "wnut17, F" not in stanza  # not run
    assert stanza["minutes to train"] == "10.0" and stanza["words a second"] == "1,900"
    assert stanza["MB on disk"] == "2"


def test_table_of_limits(results):
    rows = {row["system"]: row for row in cells_of(accuracy.limits_table())}
    assert rows["ours"]["version"] == "package 1.2"
    assert rows[SYSTEMS["flair"].name]["version"] == ""
    assert "at most 2,000 steps" in rows[SYSTEMS["stanza"].name]["set up by"]


def test_tables_without_results(monkeypatch):
    for module in (accuracy, speed):
        monkeypatch.setattr(module, "read_all", lambda *args: [])
    assert accuracy.scores_table().endswith("*Not run yet.*")
    for table in (speed.table, speed.first_page_table):
        assert table().endswith("*Not run yet.*")


def test_the_picture_has_a_point_for_each_system(results, tmp_path):
    pytest.importorskip("matplotlib")
    speed.draw(tmp_path / "peers.svg")
    text = (tmp_path / "peers.svg").read_text()
    assert "words a second" in text and "ncbi-disease, 1,000 sentences" in text
    assert SYSTEMS["stanza"].name in text and "Flair" not in text


def test_published_figures_have_sources():
    for one in PUBLISHED:
        assert re.search(r"\]\(https://[^)]+\)", one.source)
        assert re.search(r"\((19|20)\d\d\)", one.source)
        assert one.dataset in {name for name, _ in CELLS} and 0 < one.f < 100
