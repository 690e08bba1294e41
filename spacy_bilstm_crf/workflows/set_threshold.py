"""Set the threshold of a trained pipeline, and save it."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path

from spacy.language import Language

from ..common.config_names import holds_names
from ..common.errors import UserError, check_probability, reported_errors
from ..common.pipelines import load_pipeline, pipeline_name, replace_pipeline
from ..inference.recognizers import component_with_crf
from ..pipeline.settings import CONFIGURED


def set_threshold(
    pipeline: Language | str | Path,
    threshold: float | None,
    *,
    by_label: Mapping[str, float] | None = None,
    output: str | Path | None = None,
    component: str = "ner",
    on_message: Callable[[str], None] = lambda line: None,
) -> Language:
    """Set the least probability of the entities that a pipeline finds, and save the pipeline.

    Args:
        pipeline: A trained pipeline, its folder or the name of its package. A loaded pipeline is
            changed.
        threshold: The least probability; None for the most probable tag sequence.
        by_label: Thresholds of single labels, in place of that of all.
        output: The folder to save it to, in place of an existing one. None saves nothing.
        component: The name of the `bilstm_crf_ner` or `bilstm_crf_spans` component.
        on_message: Called with a line if nothing changes.

    Returns:
        The pipeline.

    Raises:
        UserError: If there is no such pipeline, component or label, a threshold is no probability,
            or the folder can't be written. An existing folder is then unchanged.
    """
    check_probability(threshold=threshold)
    nlp = load_pipeline(pipeline)
    ner = component_with_crf(nlp, pipeline_name(pipeline), component)
    wanted: float | dict[str, float] | None = threshold
    if by_label:
        if threshold is None:
            raise UserError("Beside thresholds of single labels, set one for the other labels.")
        wanted = {**dict.fromkeys(ner.labels, threshold), **by_label}
    if ner.threshold == wanted:
        on_message(f"'{component}' has this threshold already: its entities stay the same.")
    with reported_errors():
        ner.threshold = wanted
    if not isinstance(wanted, dict) or holds_names(wanted):
        # So that config.cfg says the same, as if the component had been made with it
        nlp.get_pipe_config(component)["threshold"] = deepcopy(wanted)
        ner.cfg[CONFIGURED]["threshold"] = deepcopy(wanted)
    if output is not None:
        replace_pipeline(nlp, output)
    return nlp
