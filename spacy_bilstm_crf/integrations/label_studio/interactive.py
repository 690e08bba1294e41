"""Label Studio's interactive pre-annotation: regions that were just drawn, as corrections."""

from collections.abc import Collection
from typing import Any

from ...inference.annotated_text import AnnotatedText
from ...inference.corrections import KnownSpan, TextCorrections
from .label_config import LabelConfig
from .predictions import place_of


def drawn_regions(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the regions that a request to predict was sent for; none for any other request."""
    params = given.get("params")
    context = params.get("context") if isinstance(params, dict) else None
    regions = context.get("result") if isinstance(context, dict) else None
    found = regions if isinstance(regions, list) else []
    return [region for region in found if isinstance(region, dict)]


def drawn_corrections(
    regions: Collection[dict[str, Any]], config: LabelConfig, labels: Collection[str]
) -> TextCorrections:
    """Return what regions say of the entities of a text.

    A region whose label the pipeline does not have says that no token of it is in any entity of the
    pipeline's. Regions of other controls and damaged ones say nothing.

    Args:
        regions: Regions in Label Studio's JSON.
        config: The label config of the project.
        labels: The labels of the pipeline.
    """
    fixed, rejected = [], []
    for region in regions:
        value = region.get("value")
        if region.get("from_name") != config.control or not isinstance(value, dict):
            continue
        start, end, marked = value.get("start"), value.get("end"), value.get("labels")
        if not isinstance(start, int) or not isinstance(end, int) or not isinstance(marked, list):
            continue
        known = {config.label_in_pipeline(str(label), labels) for label in marked} & {*labels}
        fixed += [KnownSpan(start, end, label) for label in sorted(known)]
        if not known:
            rejected.append(KnownSpan(start, end))
    return TextCorrections(tuple(fixed), tuple(rejected))


def news(before: AnnotatedText, after: AnnotatedText, known: TextCorrections) -> AnnotatedText:
    """Return what is found with corrections, with the entities alone that are new.

    Label Studio adds what it gets to the regions that are there, so that no region may come twice.

    Args:
        before: What was found without the corrections.
        after: What was found with them.
        known: The corrections.
    """
    there = {*map(place_of, before.entities), *known.fixed}
    entities = [each for each in after.entities if place_of(each) not in there]
    return after._replace(entities=entities, candidates=None)
