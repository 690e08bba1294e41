"""`estimate`: precision, recall and F on texts without annotation."""

from typing import TYPE_CHECKING

from typer import Option
from wasabi import msg

from .app import bilstm_crf_cli, prepare
from .options import (
    CodeOption,
    ComponentOption,
    GpuOption,
    LinesOption,
    PipelineArgument,
    TextKeyOption,
    TextsArgument,
)
from .tables import print_table

if TYPE_CHECKING:
    from ..workflows.estimate import Estimate, Interval


@bilstm_crf_cli.command("estimate")
def estimate_cli(
    pipeline: PipelineArgument,
    texts: TextsArgument,
    samples: int = Option(500, "--samples", min=2, help="Tag sequences to draw for each text"),
    level: float = Option(
        0.95, "--level", min=0, max=1, help="Probability that an interval contains its score"
    ),
    seed: int = Option(0, "--seed", help="Seed of the random numbers"),
    text_key: TextKeyOption = "text",
    lines: LinesOption = False,
    component: ComponentOption = "ner",
    code_path: CodeOption = None,
    use_gpu: GpuOption = -1,
) -> None:
    """Estimate precision, recall and F of a pipeline on texts without annotation.

    The estimates follow from the probabilities: calibrate the pipeline first, on annotated texts of
    the same kind.
    """
    from ..workflows.estimate import estimate

    prepare(code_path, use_gpu)
    found = estimate(
        pipeline,
        texts,
        component=component,
        samples=samples,
        level=level,
        seed=seed,
        text_key=text_key,
        lines=lines,
    )
    rows = [_row(label, of_label) for label, of_label in found.by_label.items()]
    print_table(
        ["", "found", "expected", "P", "R", "F"], [_row("all labels", found.overall), *rows]
    )
    for warning in found.warnings:
        msg.warn(warning)
    msg.good(f"{found.n_texts:,} texts, intervals of {100 * level:g} %")


def _row(name: str, of: "Estimate") -> list[str]:
    scores = map(_score, (of.precision, of.recall, of.f))
    return [name, f"{of.n_found:,}", f"{of.n_expected:,.1f}", *scores]


def _score(of: "Interval | None") -> str:
    if of is None:
        return "-"
    mean, low, high = (100 * value for value in of)
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"
