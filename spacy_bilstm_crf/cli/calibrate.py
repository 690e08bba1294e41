"""`calibrate`: make the probabilities of a trained pipeline fit held-out annotation."""

from typing import TYPE_CHECKING

from typer import Option
from wasabi import msg

from ..common.files import check_pipeline_folder
from .app import bilstm_crf_cli, prepare
from .options import (
    CodeOption,
    ComponentOption,
    DataArgument,
    ForceOption,
    GpuOption,
    PipelineArgument,
    PipelineFolder,
)
from .tables import print_qualities, print_table

if TYPE_CHECKING:
    from ..workflows import Calibrated
    from ..workflows.best_thresholds import BestF
    from ..workflows.coverage import CoverageControl
    from ..workflows.risk_control import RecallLevel

PRICE = ("threshold", "found here", "candidates per entity", "tokens inside candidates")


@bilstm_crf_cli.command("calibrate")
def calibrate_cli(
    pipeline: PipelineArgument,
    data: DataArgument,
    output: PipelineFolder,
    component: ComponentOption = "ner",
    recall: float | None = Option(
        None,
        "--recall",
        min=0,
        max=1,
        help="Set candidates_threshold instead, so that on average this share of a document's "
        "entities is among the candidates. The data must not have been used for anything else",
    ),
    best_f: bool = Option(
        False,
        "--best-f",
        help="Set threshold instead, so that the F of the entities that are found is best",
    ),
    per_label: bool = Option(
        False,
        "--per-label",
        help="With --recall, control the recall of each label separately, with its own threshold. "
        "With --best-f, set the threshold of each label by its own F",
    ),
    beta: float | None = Option(
        None,
        "--beta",
        help="With --best-f, how many times as important recall is as precision. Default: 1",
    ),
    coverage: float | None = Option(
        None,
        "--coverage",
        min=0,
        max=1,
        help="Fit sets of tag sequences instead, so that for this share of documents the set "
        "contains the right one. The data must not have been used for anything else",
    ),
    code: CodeOption = None,
    use_gpu: GpuOption = -1,
    force: ForceOption = False,
) -> None:
    """Calibrate the probabilities of a trained pipeline.

    Fits a temperature and a bias for each label to annotated data that the model was not trained
    on, ideally the development data, and saves the calibrated pipeline to a new folder. With
    --recall, sets the threshold for candidates by conformal risk control instead; with --best-f,
    the threshold of entities, or with --per-label that of each label; with --coverage, that of tag
    sequences, by conformal prediction.
    """
    check_pipeline_folder(output, force)
    prepare(code, use_gpu)
    from ..workflows import calibrate

    found = calibrate(
        pipeline,
        data,
        component=component,
        recall=recall,
        per_label=per_label,
        best_f=best_f,
        beta=beta,
        coverage=coverage,
    )
    found.to_disk(output)
    for warning in found.warnings:
        msg.warn(warning)
    if found.best_f is not None:
        msg.good(f"Saved '{component}' with its threshold in {output}")
        _print_best_f(found.best_f)
        return
    if found.coverage is not None:
        msg.good(f"Saved '{component}' with its sets of tag sequences in {output}")
        _print_coverage(found.coverage)
        return
    if found.calibration is None:
        msg.good(f"Saved '{component}' with its candidates_threshold in {output}")
        _print_recall(found)
        return
    temperature, biases = found.calibration
    named = ", ".join(f"{label} {bias:.3f}" for label, bias in zip(found.labels, biases))
    msg.good(f"Saved '{component}' with its calibration in {output}")
    print(f"temperature {temperature:.3f}; biases: {named}")
    print_qualities({"before": found.before, "after": found.after})
    print("After: on the data that it was fitted to, so a little too good.")


def _print_best_f(best: "BestF") -> None:
    """Print the threshold of each label, and F before and after."""
    name = "F" if best.beta == 1.0 else f"F{best.beta:g}"
    header = ["label", "entities", "threshold", f"{name} before", f"{name} after"]
    named = [*best.by_label.items(), ("all", best.overall)]
    rows = [
        [
            label,
            f"{one.n_entities:,}",
            "" if one.threshold is None else f"{one.threshold:.2f}{'*' * one.has_common}",
            *("-" if f is None else f"{100 * f:.2f}" for f in (one.before, one.after)),
        ]
        for label, one in [*named, ("mean of the labels", best.mean)]
    ]
    print_table(header, rows)
    if any(one.has_common for one in best.by_label.values()):
        print(
            f"* Fewer than {best.fewest} annotated entities: the threshold that is best for all "
            f"labels together."
        )
    print("After: on the data that the thresholds were chosen on, so a little too good.")


def _print_coverage(found: "CoverageControl") -> None:
    """Print what sets of tag sequences are made by, and how large they are."""
    print(
        f"A set has the tag sequences with a probability of at least {found.least:.4g}. On these "
        f"{found.n_docs:,} documents a set has {found.mean_size:,.1f} on average, and "
        f"{found.single:.1%} of the sets have one."
    )


def _print_recall(found: "Calibrated") -> None:
    """Print what was found, and what each recall would cost: of each label, the one that is set."""
    for label, control in found.risk_control.items():
        print(
            f"{label or 'all labels'}: candidates have a probability of at least "
            f"{control.threshold:.4g}; they include {control.found:.1%} of a document's entities "
            f"(mean over {control.n_docs:,} documents with entities)"
        )
    if "" in found.levels:
        rows = [[f"{level.control.recall:g}", *_price(level)] for level in found.levels[""]]
        print_table(["expected recall", *PRICE], rows)
        return
    print_table(
        ["label", *PRICE],
        [
            [label, *_price(level)]
            for label, levels in found.levels.items()
            for level in levels
            if level.control == found.risk_control[label]
        ],
    )


def _price(level: "RecallLevel") -> list[str]:
    return [
        f"{level.control.threshold:.3g}",
        f"{level.control.found:.1%}",
        f"{level.candidates:,.1f}",
        f"{level.tokens:.1%}",
    ]
