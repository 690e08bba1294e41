"""`replace-ner`: what takes the place of `ner` in a config, and that all else stays."""

import json
import re

import pytest
import spacy
from spacy.cli.init_config import init_config as spacy_config
from spacy.util import load_config, load_model_from_config
from thinc.api import Config

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows import replace_ner

TRANSFORMER_LISTENER = "spacy-transformers.TransformerListener.v1"
# The part of a config that is about a transformer, without the package that it needs
TRANSFORMER = """
[nlp]
lang = "en"
pipeline = ["transformer","ner"]

[components]

[components.transformer]
factory = "transformer"

[components.ner]
factory = "ner"

[components.ner.model]
@architectures = "spacy.TransitionBasedParser.v2"
state_type = "ner"

[components.ner.model.tok2vec]
@architectures = "spacy-transformers.TransformerListener.v1"
grad_factor = 1.0

[components.ner.model.tok2vec.pooling]
@layers = "reduce_mean.v1"
"""
# A quickstart config that was not filled in, with comments
BASE = """# Mine
[nlp]
lang = "en"
# Two components
pipeline = [
    "tok2vec",
    "ner"
    ]
batch_size = 1000

[components]

# Shared
[components.tok2vec]
factory = "tok2vec"

[components.ner]
factory = "ner"
incorrect_spans_key = "wrong"

[components.ner.model]
@architectures = "spacy.TransitionBasedParser.v2"
state_type = "ner"

[components.ner.model.tok2vec]
@architectures = "spacy.Tok2VecListener.v1"
width = 96

[training]
# The last comment
frozen_components = ["tok2vec"]
dropout   =   0.1
"""


def write(path, text):
    path.write_text(text, encoding="utf8")
    return path


def stock(tmp_path, *, change=None, **settings):
    """spaCy's own config, with changes to its text: pairs of old and new."""
    text = spacy_config(**settings).to_str()
    for old, new in change or ():
        assert old in text
        text = text.replace(old, new)
    return write(tmp_path / "stock.cfg", text)


def sections(text):
    """The text of each section by its name."""
    parts = re.split(r"^\[(.+)\]\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def made(replaced):
    """The pipeline of the new config, which spaCy accepts."""
    config = Config().from_str(replaced.text, interpolate=False)
    return load_model_from_config(config, auto_fill=True, validate=True)


@pytest.mark.parametrize("optimize", ["efficiency", "accuracy"])
def test_the_quickstart_config(optimize, tmp_path):
    path = stock(tmp_path, pipeline=["ner"], optimize=optimize)
    replaced = replace_ner(path)
    assert (replaced.components, replaced.removed) == (["ner"], ["tok2vec"])
    nlp = made(replaced)
    assert nlp.pipe_names == ["ner"] and nlp.get_pipe_meta("ner").factory == "bilstm_crf_ner"
    # The block has all settings, all of them defaults
    plain = spacy.blank("en")
    plain.add_pipe("bilstm_crf_ner", name="ner")
    block = Config().from_str(replaced.text, interpolate=False)["components"]["ner"]
    assert block == Config().from_str(plain.config.to_str())["components"]["ner"]


@pytest.mark.parametrize("pipeline", [["ner"], ["tagger", "ner"], ["ner", "textcat"]])
def test_all_other_sections_keep_their_text(pipeline, tmp_path):
    path = stock(tmp_path, pipeline=pipeline)
    before, after = sections(path.read_text()), sections(replace_ner(path).text)
    gone = ["components.ner"]
    if "tagger" not in pipeline:  # nothing else listens: textcat reads words
        gone.append("components.tok2vec")
        before["nlp"] = before["nlp"].replace('["tok2vec", "ner"', '["ner"')
    for name, text in before.items():
        if not name.startswith(tuple(gone)):
            assert after[name].rstrip() == text.rstrip(), name  # but for a blank line at the end
    assert {name for name in after if name not in before} == set()


def test_a_tok2vec_that_others_listen_to_stays(tmp_path):
    replaced = replace_ner(stock(tmp_path, pipeline=["tagger", "ner"]))
    assert replaced.removed == []
    nlp = made(replaced)
    assert nlp.pipe_names == ["tok2vec", "tagger", "ner"]
    assert nlp.get_pipe("tok2vec").listening_components == ["tagger"]


def test_a_tok2vec_that_another_is_named_to_listen_to_goes(tmp_path):
    path = stock(tmp_path, pipeline=["tagger", "ner"])
    config = load_config(path, interpolate=False)
    config["components"]["other"] = {"factory": "tok2vec"}
    config["components"]["tagger"]["model"]["tok2vec"].update(upstream="other", width=96)
    config["nlp"]["pipeline"] = ["tok2vec", "other", "tagger", "ner"]
    replaced = replace_ner(write(path, config.to_str()))
    assert replaced.removed == ["tok2vec"]
    assert made(replaced).pipe_names == ["other", "tagger", "ner"]


def test_a_sourced_component_may_listen(tmp_path):
    text = BASE.replace('    "ner"', '    "tagger", "ner"')
    sourced = '\n[components.tagger]\nsource = "some_pipeline"\n'
    path = write(tmp_path / "base.cfg", text + sourced)
    assert replace_ner(path).removed == []
    sourced += 'replace_listeners = ["model.tok2vec"]\n'
    assert replace_ner(write(path, text + sourced)).removed == ["tok2vec"]


def test_comments_and_spelling_stay(tmp_path):
    replaced = replace_ner(write(tmp_path / "base.cfg", BASE))
    assert replaced.text.startswith(
        '# Mine\n[nlp]\nlang = "en"\n# Two components\npipeline = ["ner"]'
    )
    assert replaced.text.endswith(
        "[training]\n# The last comment\nfrozen_components = []\ndropout   =   0.1\n"
    )
    assert "Shared" not in replaced.text  # with the component
    assert made(replaced).get_pipe("ner").incorrect_spans_key == "wrong"


def test_settings_of_the_component_are_carried_over(tmp_path):
    path = stock(
        tmp_path,
        pipeline=["ner"],
        change=[
            ("incorrect_spans_key = null", 'incorrect_spans_key = "wrong"'),
            ("spacy.ner_scorer.v1", "my_scorer.v1"),
            ("ents_p = 0.0", "ents_p = 0.3"),
            (
                "[initialize.components]\n",
                "[initialize.components]\n\n[initialize.components.ner]\n\n"
                '[initialize.components.ner.labels]\n@readers = "spacy.read_labels.v1"\n'
                'path = "labels/ner.json"\n\n[initialize.components.tok2vec]\nx = 1\n\n',
            ),
        ],
    )
    config = Config().from_str(replace_ner(path).text, interpolate=False)
    block = config["components"]["ner"]
    assert block["incorrect_spans_key"] == "wrong"
    assert block["scorer"] == {"@scorers": "my_scorer.v1"}
    assert "moves" not in block
    assert config["training"]["score_weights"]["ents_p"] == 0.3
    assert set(config["initialize"]["components"]) == {"ner"}
    assert config["initialize"]["components"]["ner"]["labels"]["path"] == "labels/ner.json"


def test_a_transformer_stays_and_is_listened_to(tmp_path):
    replaced = replace_ner(write(tmp_path / "trf.cfg", TRANSFORMER))
    assert replaced.removed == []
    config = Config().from_str(replaced.text, interpolate=False)
    model = config["components"]["ner"]["model"]
    assert model["@architectures"] == "spacy-bilstm-crf.BiLSTMCRF.v1"
    assert model["tok2vec"] == {
        "@architectures": TRANSFORMER_LISTENER,
        "grad_factor": 1.0,
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    assert model["learn_rate_factor"] == 20.0  # as in configs/transformer.cfg
    assert config["nlp"]["pipeline"] == ["transformer", "ner"]


def test_all_of_several_or_one_by_name(tmp_path):
    path = stock(tmp_path, pipeline=["ner"])
    config = load_config(path, interpolate=False)
    nlp = spacy.blank("en")
    nlp.add_pipe("beam_ner", name="beam")
    config["components"]["beam"] = nlp.config["components"]["beam"]
    config["nlp"]["pipeline"] = ["tok2vec", "ner", "beam"]
    write(path, config.to_str())
    assert replace_ner(path).components == ["ner", "beam"]
    one = replace_ner(path, components=["beam"])
    assert (one.components, one.removed) == (["beam"], [])
    factories = [made(one).get_pipe_meta(name).factory for name in ("ner", "beam")]
    assert factories == ["ner", "bilstm_crf_ner"]


@pytest.mark.parametrize("settings", [True, False])
def test_a_factory_that_was_changed_by_hand(settings, tmp_path):
    change = [('factory = "ner"', 'factory = "bilstm_crf_ner"')]
    if not settings:
        change += [("moves = null\n", ""), ("update_with_oracle_cut_size = 100\n", "")]
    path = stock(tmp_path, pipeline=["ner"], change=change)
    assert replace_ner(path).removed == ["tok2vec"]
    assert made(replace_ner(path)).pipe_names == ["ner"]


def refusal(path, **settings):
    with pytest.raises(UserError) as caught:
        replace_ner(path, **settings)
    (line,) = str(caught.value).splitlines()
    return line


def test_what_is_refused(tmp_path):
    path = stock(tmp_path, pipeline=["ner"])
    assert "no such file" in refusal(tmp_path / "no.cfg").lower()
    assert "called 'net' to replace. It has ner" in refusal(path, components=["net"])
    done = tmp_path / "done.cfg"
    replace_ner(path).to_disk(done)
    assert "to replace. It has none, only ner" in refusal(done)
    assert "can't read" in refusal(write(tmp_path / "x.cfg", "[nlp"))
    sourced = BASE.replace('factory = "ner"', 'source = "some_pipeline"')
    assert "takes a trained ner from some_pipeline" in refusal(write(path, sourced))
    referring = BASE + "\n[corpora]\nwidth = ${components.ner.model.tok2vec.width}\n"
    assert "[corpora] takes ${components.ner.model.tok2vec.width} from" in refusal(
        write(path, referring)
    )
    pretraining = BASE + '\n[pretraining]\ncomponent = "tok2vec"\n'
    assert "[pretraining] is for 'tok2vec'" in refusal(write(path, pretraining))
    inline = '[nlp]\nlang = "en"\npipeline = ["ner"]\n\n[components]\nner = {"factory": "ner"}\n'
    assert "fill-config" in refusal(write(path, inline))


def test_a_labels_file_of_ner_is_valid(tmp_path):
    nlp = made(replace_ner(stock(tmp_path, pipeline=["ner"])))
    actions = {"0": {}, "1": {"PERSON": 3, "LOC": 2}, "4": {"PERSON": 3, "": 1}}
    write(tmp_path / "ner.json", json.dumps(actions))
    reader = {"@readers": "spacy.read_labels.v1", "path": str(tmp_path / "ner.json")}
    nlp.config["initialize"]["components"]["ner"] = {"labels": reader}
    nlp.initialize()
    assert nlp.get_pipe("ner").labels == ("LOC", "PERSON")
