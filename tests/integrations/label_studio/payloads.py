"""What Label Studio 1.23.2 sent to a backend, recorded, with fewer fields of projects and tasks."""

import copy
import json
from pathlib import Path

RECORDED = json.loads(Path(__file__).with_name("payloads.json").read_text(encoding="utf8"))
# What none of its own tasks is in: a control of a picture, and one of a whole text
OTHER_CONFIGS = {
    "pictures": '<View><Image name="i" value="$i"/><RectangleLabels name="r" toName="i">'
    '<Label value="A"/></RectangleLabels></View>',
    "classes": '<View><Text name="t" value="$text"/><Choices name="c" toName="t">'
    '<Choice value="A"/></Choices></View>',
    "pages": '<View><HyperText name="t" value="$text"/><HyperTextLabels name="h" toName="t">'
    '<Label value="A"/></HyperTextLabels></View>',
}


def payload(name, **changes):
    """A copy of what was sent, with other values for some of its fields."""
    return {**copy.deepcopy(RECORDED[name]), **changes}


def label_config(*labels, more="", value="$text"):
    each = "".join(f'<Label value="{label}"/>' for label in labels)
    return (
        f'<View><Labels name="label" toName="text">{each}</Labels>'
        f'<Text name="text" value="{value}"/>{more}</View>'
    )


def predict(texts, config, key="text"):
    tasks = [{**RECORDED["predict"]["tasks"][0], "id": i, "data": {key: t}} for i, t in texts]
    return payload("predict", tasks=tasks, label_config=config)


def annotated(number, text, spans, config, event="ANNOTATION_CREATED", **changes):
    """The event of an annotation: its spans are the start, end and label of each entity."""
    result = []
    for i, (start, end, label) in enumerate(spans):
        value = {"start": start, "end": end, "text": text[start:end], "labels": [label]}
        names = {"from_name": "label", "to_name": "text", "type": "labels"}
        result.append({"id": f"r{i}", **names, "value": value})
    sent = payload(event)
    sent["annotation"] |= {"id": 100 + number, "task": number, "result": result, **changes}
    sent["task"] |= {"id": number, "data": {"text": text}}
    sent["project"]["label_config"] = config
    return sent
