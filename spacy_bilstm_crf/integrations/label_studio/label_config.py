"""The label config of a project: which control marks entities in which text."""

import re
from collections.abc import Collection
from typing import NamedTuple
from xml.etree import ElementTree

from ...common.errors import UserError
from ...common.xml_text import plain_xml

HOW = (
    'It needs <Labels name="label" toName="text"> with a <Label> for each label, and '
    '<Text name="text" value="$text"/>.'
)
KEY = re.compile(r"\$([^\W\d][\w-]*)")


class LabelConfig(NamedTuple):
    """What a label config says of entities.

    Attributes:
        control: Name of the `<Labels>` that marks entities.
        text: Name of the `<Text>` that they are marked in.
        key: Key of the text in the data of a task.
        labels: The labels, in order.
        predicted: Labels of the project by other labels that a model has for them: Label Studio's
            attribute `predicted_values`.
        candidates: Name of the `<Labels>` that candidates are shown with; None without one.
    """

    control: str
    text: str
    key: str
    labels: tuple[str, ...]
    predicted: dict[str, str]
    candidates: str | None = None

    def label_in_project(self, label: str) -> str | None:
        """Return what the project calls a label of the pipeline; None if it has no such label."""
        return label if label in self.labels else self.predicted.get(label)

    def label_in_pipeline(self, label: str, known: Collection[str]) -> str:
        """Return what the pipeline calls a label of the project.

        Args:
            label: The label.
            known: The labels of the pipeline.
        """
        if label in known:
            return label
        others = (mine for mine, theirs in self.predicted.items() if theirs == label)
        return next((mine for mine in others if mine in known), label)


def read_label_config(xml: str, candidates: str | None = None) -> LabelConfig:
    """Find the control of entities, and its text, in a label config.

    It is the first `<Labels>` of a `<Text>`, apart from that of candidates if there is another.

    Args:
        xml: The label config.
        candidates: Name of the `<Labels>` for candidates, which need not be there.

    Raises:
        UserError: If there is no such control, or it can't be used.
    """
    plain = plain_xml(xml, "The label config")
    try:
        root = ElementTree.fromstring(plain)
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"The label config is not XML: {error}") from error
    texts = {each.get("name"): each for each in root.iter("Text")}
    controls = {each.get("name"): each for each in root.iter("Labels") if _target(each, texts)}
    others = [one for name, one in controls.items() if name != candidates]
    control = next(iter([*others, *controls.values()]), None)
    if control is None:
        found = sorted({each.tag for each in root.iter() if each.get("toName")})
        has = f" It has: {', '.join(found):.100}." if found else ""
        raise UserError(f"The label config has no <Labels> of a <Text>.{has} {HOW}")
    text = texts[_target(control, texts)]
    return LabelConfig(
        control.get("name") or "",
        text.get("name") or "",
        _key(text),
        *_labels(control),
        candidates if others and candidates in controls else None,
    )


def _target(control: ElementTree.Element, texts: Collection[str | None]) -> str | None:
    """Return the name of the text that a control belongs to; None if it belongs to none."""
    names = [name.strip() for name in (control.get("toName") or "").split(",")]
    return next((name for name in names if name and name in texts), None)


def _key(text: ElementTree.Element) -> str:
    value = text.get("value") or ""
    key = KEY.fullmatch(value)
    if text.get("valueType") == "url":
        raise UserError(
            'The label config has <Text valueType="url">: import the texts themselves, since this '
            "service opens no address."
        )
    if key is None:
        raise UserError(
            f'The label config has <Text value="{value:.50}">: name the key of the text in the '
            f'data of a task, such as value="$text".'
        )
    return key.group(1)


def _labels(control: ElementTree.Element) -> tuple[tuple[str, ...], dict[str, str]]:
    labels: list[str] = []
    predicted: dict[str, str] = {}
    for each in control.iter("Label"):
        label = each.get("alias") or each.get("value")
        if label:
            labels.append(label)
            others = (each.get("predicted_values") or "").split(",")
            predicted.update({other.strip(): label for other in others if other.strip()})
    if not labels:
        raise UserError(
            f'The label config has no <Label> in <Labels name="{control.get("name")}">: name the '
            f"labels there."
        )
    return tuple(labels), predicted
