"""Label configs: which control, which text, which key."""

import pytest

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.integrations.label_studio import read_label_config
from tests.integrations.label_studio.payloads import OTHER_CONFIGS, RECORDED, label_config


def test_the_one_that_label_studio_sent():
    config = read_label_config(RECORDED["setup"]["schema"])
    assert config[:4] == ("label", "text", "text", ("PER", "Place"))
    assert [config.label_in_project(x) for x in ("PER", "LOC", "Place", "ORG")] == [
        "PER",
        "Place",
        "Place",
        None,
    ]
    assert config.label_in_pipeline("Place", ["LOC", "PER"]) == "LOC"
    assert config.label_in_pipeline("Place", ["LOC", "Place"]) == "Place"
    assert config.label_in_pipeline("New", ["LOC"]) == "New"


def test_the_first_labels_of_a_text_count():
    config = read_label_config(
        '<View><Header value="$title"/><Style>.a{}</Style>'
        '<Labels name="sound" toName="a"><Label value="Noise"/></Labels>'
        '<Audio name="a" value="$a"/>'
        '<Labels name="maybe" toName="body"><Label value="X"/></Labels>'
        '<View><Labels name="sure" toName="body"><Label value="Person" alias="PER"/>'
        '<Label value="X"/></Labels></View><Text name="body" value="$content"/></View>',
        candidates="maybe",
    )
    assert config == ("sure", "body", "content", ("PER", "X"), {}, "maybe")


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        *((xml, "has no <Labels> of a <Text>") for xml in OTHER_CONFIGS.values()),
        (OTHER_CONFIGS["pictures"], "It has: RectangleLabels"),
        ("<View/>", "has no <Labels> of a <Text>"),
        ("no XML", "is not XML"),
        ("<View>", "is not XML"),
        (label_config(), "no <Label> in"),
        (label_config("A", value="the text"), 'value="the text"'),
        (label_config("A").replace("<Text ", '<Text valueType="url" '), "opens no address"),
        (label_config("A").replace('toName="text"', 'toName="other"'), "has no <Labels>"),
        (f'<!DOCTYPE v [<!ENTITY a "b">]>{label_config("A")}', "document type"),
    ],
)
def test_what_can_not_be_used_is_said_in_one_line(xml, expected):
    with pytest.raises(UserError) as error:
        read_label_config(xml)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_the_control_of_candidates_is_that_of_entities_only_if_there_is_no_other():
    maybe = '<Labels name="maybe" toName="text"><Label value="A"/></Labels>'
    both = label_config("A", more=maybe)
    first = both.replace(maybe, "").replace("<View>", f"<View>{maybe}")
    for xml, name, expected in (
        (label_config("A"), "maybe", ("label", None)),
        (both, "maybe", ("label", "maybe")),
        (first, "maybe", ("label", "maybe")),
        (first, None, ("maybe", None)),
        (label_config("A"), "label", ("label", None)),
    ):
        config = read_label_config(xml, candidates=name)
        assert (config.control, config.candidates) == expected
