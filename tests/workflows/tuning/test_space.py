"""The search space: what is sampled, where it goes, what depends on what."""

import pytest
from thinc.api import Config

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.workflows.tuning.space import read_space

optuna = pytest.importorskip("optuna")

CONFIG = Config().from_str(
    """
[a]
steps = 100
total = 100
rate = 0.5
maybe = null

[a.layer]
@architectures = "one"
width = 8
other = 1
"""
)
SPACE = """
[parameters]

[parameters.depth_of_two]
path = "a.layer.depth"
type = "int"
low = 1
high = 2

[parameters.depth_of_two.when]
kind = "two"

[parameters.kind]
path = "a.layer"
type = "categorical"

[parameters.kind.blocks]

[parameters.kind.blocks.one]
@architectures = "one"

[parameters.kind.blocks.two]
@architectures = "two"
depth = 3

[parameters.steps]
path = ["a.steps", "a.total"]
type = "int"
low = 50
high = 150
step = 25

[parameters.maybe]
path = "a.maybe"
type = "categorical"
choices = [null, 0.5, [1, 2]]
"""


@pytest.fixture
def parse(tmp_path):
    def parsed(text):
        path = tmp_path / "space.cfg"
        path.write_text(text)
        return read_space(path)

    return parsed


def sampled(space, **params):
    return space.suggest(optuna.trial.FixedTrial(params))


def test_a_parameter_is_there_under_its_condition_only(parse):
    space = parse(SPACE)
    rest = {"steps": 50, "maybe": None}
    assert sampled(space, kind="one", **rest) == {"kind": "one", **rest}
    with_depth = {"kind": "two", "depth_of_two": 2, **rest}
    assert sampled(space, **with_depth) == with_depth


def test_a_block_goes_in_before_what_is_in_it_and_a_value_may_have_several_paths(parse):
    space = parse(SPACE)
    params = {"depth_of_two": 2, "kind": "two", "steps": 75, "maybe": "[1, 2]"}
    changed = space.applied(CONFIG, params)["a"]
    assert changed["layer"] == {"@architectures": "two", "depth": 2}
    assert (changed["steps"], changed["total"], changed["maybe"]) == (75, 75, [1, 2])
    assert CONFIG["a"]["layer"]["width"] == 8  # which is another one's to keep
    again = space.applied(CONFIG, {"kind": "two"})["a"]["layer"]
    assert again["depth"] == 3


def test_the_configs_own_values(parse):
    space = parse(SPACE)
    assert space.values_in(CONFIG) == ({"kind": "one", "steps": 100, "maybe": None}, [])
    apart = CONFIG.merge({"a": {"total": 50}})
    assert space.values_in(apart) == ({"kind": "one", "maybe": None}, ["steps"])
    between = CONFIG.merge({"a": {"total": 110, "steps": 110}})
    assert space.values_in(between)[1] == ["steps"]


def test_two_may_set_the_same_path_at_different_times(parse):
    text = SPACE + (
        '\n[parameters.depth_of_one]\npath = "a.layer.depth"\ntype = "int"\nlow = 4\nhigh = 5\n\n'
        '[parameters.depth_of_one.when]\nkind = "{}"\n'
    )
    assert "depth_of_one" in parse(text.format("one")).parameters
    with pytest.raises(UserError, match=r"both set a\.layer\.depth"):
        parse(text.format("two"))
    with pytest.raises(UserError, match="kind is 'three', a value that it can't have"):
        parse(text.format("three"))
