"""Set the threshold of a trained pipeline, and save it."""

from collections.abc import Callable
from pathlib import Path

from spacy.language import Language

from ..common.errors import check_probability
from ..common.pipelines import load_pipeline, pipeline_name, replace_pipeline
from ..inference.recognizers import component_with_crf
from ..pipeline.settings import CONFIGURED


def set_threshold(
    pipeline: Language | str | Path,
    threshold: float | None,
    *,
    output: str | Path | None = None,
    component: str = "ner",
    on_message: Callable[[str], None] = lambda line: None,
) -> Language:
    """Set the least probability of the entities that a pipeline finds, and save the pipeline.

    Args:
        pipeline: A trained pipeline, its folder or the name of its package. A loaded pipeline is
            changed.
        threshold: The least probability; None for the most probable tag sequence.
        output: The folder to save it to, in place of an existing one. None saves nothing.
        component: The name of the `bilstm_crf_ner` or `bilstm_crf_spans` component.
        on_message: Called with a line if nothing changes.

    Returns:
        The pipeline.

    Raises:
        UserError: If there is no such pipeline or component, the threshold is no probability, or
            the folder can't be written. An existing folder is then unchanged.
    """
    check_probability(threshold=threshold)
    nlp = load_pipeline(pipeline)
    ner = component_with_crf(nlp, pipeline_name(pipeline), component)
    if ner.threshold == threshold:
        on_message(f"'{component}' has this threshold already: its entities stay the same.")
    ner.threshold = threshold
    # So that config.cfg says the same, as if the component had been made with it
    nlp.get_pipe_config(component)["threshold"] = ner.cfg[CONFIGURED]["threshold"] = threshold
    if output is not None:
        replace_pipeline(nlp, output)
    return nlp
