"""Configs for entities that overlap: when they are written, what is in them, that they train."""

import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from thinc.api import Config

from spacy_bilstm_crf.data.entity_source import EntitySource
from spacy_bilstm_crf.data.statistics import survey
from spacy_bilstm_crf.workflows import init_config
from spacy_bilstm_crf.workflows.init_config.recipe import MOST_LEVELS, n_levels
from tests.helpers import spacy_command
from tests.nested import NESTED, NESTED_IN_LABEL, nested_docs

FLAT = NESTED[2:]
SPANS = EntitySource("sc")


def with_ents(docs):
    for doc in docs:
        doc.ents = spacy.util.filter_spans(doc.spans["sc"])
    return docs


def written(path, docs):
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


def component_of(found):
    config = Config().from_str(found.text)
    (name,) = config["nlp"]["pipeline"]
    return name, config["components"][name]["factory"]


def wrong(text, *arguments, **options):
    with pytest.raises(ValueError) as raised:
        init_config(*arguments, **options)
    assert text in str(raised.value) and "\n" not in str(raised.value)


def test_entities_that_overlap_are_noticed():
    found = init_config(nested_docs(), lang="en")
    assert component_of(found) == ("spancat", "bilstm_crf_spans")
    said = " ".join(found.facts)
    assert "4 of the 6 entities in doc.spans['sc'] overlap another one, so the component is" in said
    assert "--no-overlapping" not in said
    assert "6 entities (PLACE 4, ORG 2)" in said
    assert "4 entities overlap another one, 0 one of the same label." in said
    both = with_ents(nested_docs())
    found = init_config(both, lang="en")
    assert component_of(found)[1] == "bilstm_crf_spans"
    assert "Use --no-overlapping to learn those in doc.ents instead." in " ".join(found.facts)
    found = init_config(both, lang="en", overlapping=False)
    assert component_of(found) == ("ner", "bilstm_crf_ner")
    assert "4 entities (ORG 2, PLACE 2)" in " ".join(found.facts)


def test_spans_without_overlap():
    found = init_config(nested_docs(FLAT), lang="en")
    assert component_of(found)[1] == "bilstm_crf_spans"
    assert "The entities are in doc.spans['sc'], not in doc.ents" in " ".join(found.facts)
    flat = with_ents(nested_docs(FLAT))
    assert component_of(init_config(flat, lang="en"))[1] == "bilstm_crf_ner"
    found = init_config(flat, lang="en", overlapping=True)
    assert component_of(found)[1] == "bilstm_crf_spans"
    assert "it learns the entities in doc.spans['sc']." in " ".join(found.facts)


def test_the_config_reads_and_scores_another_key():
    docs = nested_docs(key="my spans")
    wrong("doc.spans has: my spans.", docs, lang="en", overlapping=True)
    wrong("no entity in any of them", docs, lang="en")
    found = init_config(docs, lang="en", spans_key="my spans")
    config = Config().from_str(found.text)
    assert config["components"]["spancat"]["spans_key"] == "my spans"
    weights = config["training"]["score_weights"]
    weights = {name: weight for name, weight in weights.items() if weight is not None}
    assert weights == {"spans_my spans_f": 1.0, "spans_my spans_p": 0.0, "spans_my spans_r": 0.0}
    assert "spans_sc_f" in config["training"]["score_weights"]


def test_what_makes_no_sense_is_refused(tmp_path):
    docs, flat = nested_docs(), with_ents(nested_docs(FLAT))
    wrong("can't be combined", flat, spans_key="sc", overlapping=False)
    wrong("Give the entities another key", nested_docs(key="a = b"), spans_key="a = b")
    for doc in docs:
        doc.spans["rejected"] = []
    docs[3].spans["rejected"] = [docs[3][0:1]]
    wrong("both in doc.spans['sc']", docs, lang="en", incorrect_spans_key="sc")
    found = init_config(docs, lang="en", incorrect_spans_key="rejected")
    config = Config().from_str(found.text)
    assert config["components"]["spancat"]["incorrect_spans_key"] == "rejected"
    srsly.write_jsonl(tmp_path / "names.jsonl", [{"label": "CITY", "pattern": "Oslo"}])
    names = {"lang": "en", "patterns": tmp_path / "names.jsonl", "spans_key": "gazetteer"}
    wrong("the matches of --patterns are there", nested_docs(key="gazetteer"), **names)


def test_docs_without_the_group_are_not_annotated():
    docs = nested_docs()
    del docs[3].spans["sc"]
    found = init_config(docs, dev=docs, lang="en")
    share = len(docs[3]) / sum(map(len, docs))
    said = " ".join(found.warnings)
    assert f"{share:.0%} of the tokens are in docs without doc.spans['sc'], which are not" in said
    assert f"{share:.0%} of the development tokens are in docs without doc.spans['sc']" in said
    assert "entity_ratio" not in found.text
    counts = survey(docs, SPANS)
    assert counts.n_missing == len(docs[3])
    assert counts.n_inside + counts.n_outside + counts.n_missing == counts.n_tokens
    assert counts.n_inside == 3 + 3 + 1 + 1  # tokens in several entities count once


@pytest.mark.parametrize(
    "n_nested, n_flat, depth, expected",
    [(0, 10, 2, 1), (1, 500, 2, 1), (1, 100, 2, 2), (1, 100, 3, 2), (5, 50, 3, 3), (5, 0, 5, 3)],
)
def test_levels_are_as_deep_as_entities_of_a_label_are_nested(n_nested, n_flat, depth, expected):
    # "Senate of the University of Oslo": 1 to `depth` tokens
    nested = ("a b c d e", [(0, 2 * (depth - i) - 1, "ORG") for i in range(depth)])
    docs = nested_docs([nested] * n_nested + [("a b", [(0, 1, "ORG")])] * n_flat)
    found = survey(docs, SPANS)
    assert found.n_overlapping == found.n_in_same_label == n_nested * depth
    assert n_levels(found) == expected <= MOST_LEVELS
    config = init_config(docs, lang="en", overlapping=True)
    chosen = {choice.path: choice.value for choice in config.choices}
    assert chosen.get("components.spancat.levels", 1) == expected
    n_lost = sum(n for level, n in found.n_of_level.items() if level > expected)
    assert (f"Not learned: {n_lost} of these" in " ".join(config.facts)) == bool(n_lost)


@pytest.mark.parametrize("data", [NESTED, NESTED + NESTED_IN_LABEL], ids=["labels", "same label"])
def test_the_config_is_complete_valid_and_trains(data, tmp_path):
    train, out = written(tmp_path / "train.spacy", nested_docs(data)), tmp_path / "config.cfg"
    srsly.write_jsonl(tmp_path / "names.jsonl", [{"label": "CITY", "pattern": "Oslo"}])
    options = ["--train", train, "--dev", train, "--patterns", tmp_path / "names.jsonl"]
    printed = spacy_command("bilstm-crf", "init-config", out, *options)
    assert "overlap another one" in " ".join(printed.split())
    filled = tmp_path / "filled.cfg"
    spacy_command("init", "fill-config", out, filled)
    assert Config().from_disk(filled) == Config().from_disk(out)
    spacy_command("debug", "config", out)
    short = ["--training.max_steps=4", "--training.eval_frequency=2"]
    printed = spacy_command("train", out, "--output", tmp_path / "trained", *short)
    assert "SPANS_SC_F" in printed and "ENTS_F" not in printed and "RULER" not in printed
    nlp = spacy.load(tmp_path / "trained" / "model-last")
    assert nlp.pipe_names == ["gazetteer", "spancat"]
    assert nlp.meta["performance"]["spans_sc_f"] is not None
    assert "sc" in nlp("She went to Oslo.").spans
