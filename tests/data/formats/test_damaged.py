"""Files with anything in the place of anything: an error that names the place, or a problem."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import (
    DocSettings,
    Findings,
    FormatSettings,
    read,
    writable,
    write,
)

SPAN = {"start": 0, "end": 3, "label": "PER", "score": 0.5, "answer": "accept"}
TOKENS = [{"text": "Ada", "start": 0, "end": 3, "id": 0, "ws": True}]
RESULT = {"type": "labels", "score": 0.5, "value": {"start": 0, "end": 3, "labels": ["PER"]}}
RESULT["value"]["text"] = "Ada"
WHOLE = {
    "prodigy": {
        **{"text": "Ada \U0001f600 saw", "answer": "accept", "meta": {"a": 1}, "id": 1},
        **{"spans": [SPAN, {**SPAN, "start": 6, "end": 9}], "tokens": TOKENS, "_session_id": "x"},
    },
    "doccano": {"id": 1, "text": "Ada saw", "label": [[0, 3, "PER"]], "Comments": [], "meta": {}},
    "doccano-relations": {
        **{"id": 1, "text": "Ada saw", "relations": [{"id": 1}]},
        "entities": [{"id": 1, "label": "PER", "start_offset": 0, "end_offset": 3}],
    },
    "label-studio": {
        **{"id": 1, "data": {"text": "\U0001f600 Ada", "more": 1}},
        "annotations": [{"result": [RESULT], "completed_by": 1}, {"result": [RESULT, RESULT]}],
        "predictions": [{"result": [RESULT]}],
    },
    "dataturks": {
        "content": "Ada saw",
        "annotation": [{"label": ["PER"], "points": [{"start": 0, "end": 2, "text": "Ada"}]}],
        "metadata": {"last_updated_by": "x"},
    },
    "ground-truth": {
        "source": "Ada saw",
        "job": {"annotations": {"entities": [{"startOffset": 0, "endOffset": 3, "label": "X"}]}},
        "job-metadata": {"entities": [{"confidence": 0.5}], "human-annotated": "no", "type": "x"},
    },
    "gliner": {"tokenized_text": ["Ada", "saw"], "ner": [[0, 0, "PER"]], "id": 1, "more": {}},
    "presidio": {
        "full_text": "Ada saw",
        "spans": [
            {"start_position": 0, "end_position": 3, "entity_type": "X", "entity_value": "Ada"}
        ],
        "metadata": {"a": 1},
        "template_id": 1,
    },
    "spacy-v2": {
        "id": 1,
        "paragraphs": [
            {
                "raw": "Ada saw",
                "sentences": [
                    {
                        "tokens": [
                            {"orth": "Ada", "ner": "U-X", "tag": "N", "space": " "},
                            {"orth": "saw", "ner": "O", "dep": "x", "head": -1},
                        ]
                    }
                ],
                "cats": [{"label": "x", "value": 1}],
            }
        ],
    },
    "ner-annotator": {
        "classes": ["PER"],
        "annotations": [
            ["Ada saw", {"entities": [[0, 3, "X"], [4, 7, [["Accepted", "x", "y", "Z"]]]]}],
            None,
        ],
    },
    "rasa": {
        "rasa_nlu_data": {
            "common_examples": [
                {
                    "text": "Ada saw",
                    "intent": "x",
                    "entities": [{"start": 0, "end": 3, "entity": "X", "value": "Ada"}],
                }
            ],
            "regex_features": [{}],
        }
    },
}
ANYTHING = st.sampled_from(
    [None, True, 0, -1, 2.5, 10**30, "", "x", "\ud800", [], [None], [[1]], {}, {"a": 1}, "0", "3"]
)


def places(value, path=()):
    """The paths of all parts of a value."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        if isinstance(part, (dict, list)):
            yield from places(part, (*path, key))
        else:
            yield (*path, key)


@pytest.mark.parametrize("name", list(WHOLE))
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_nothing_is_too_odd(name, tmp_path_factory, data):
    value = copy.deepcopy(WHOLE[name])
    for _ in range(data.draw(st.integers(1, 2))):
        some = [path for path in places(value) if path]
        if not some:
            break
        *path, last = data.draw(st.sampled_from(some))
        part = value
        for key in path:
            part = part[key]
        if data.draw(st.booleans()) and isinstance(part, dict):
            del part[last]
        else:
            part[last] = copy.deepcopy(data.draw(ANYTHING))
    folder = tmp_path_factory.mktemp("files")
    path = folder / "data.jsonl"
    path.write_text(json.dumps(value), encoding="utf8")
    given_settings = FormatSettings(docs=DocSettings("missing"))
    try:
        docs = list(read(path, name, given_settings, Findings()))
    except UserError as error:
        assert str(error).startswith(str(path))
        return
    for target in {name} & set(writable()) or {"spacy"}:
        write(docs, folder / "written", target, given_settings, Findings())
