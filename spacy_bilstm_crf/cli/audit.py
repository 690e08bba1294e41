"""`audit`: find problems and probable label errors in annotated data."""

from pathlib import Path

from typer import Context, Option
from wasabi import msg

from ..common.errors import UserError
from ..common.files import check_folder
from .app import bilstm_crf_cli, parse_overrides, prepare
from .options import (
    WITH_OVERRIDES,
    CodeOption,
    ConfigArgument,
    DataArgument,
    EntityFinderOption,
    ForceOption,
    GpuOption,
    GroupByOption,
    OutputFolder,
)


@bilstm_crf_cli.command("audit", context_settings=WITH_OVERRIDES)
def audit_cli(
    ctx: Context,
    config: ConfigArgument,
    data_path: DataArgument,
    output: OutputFolder,
    folds: int = Option(
        5,
        "--folds",
        "-k",
        min=0,
        help="Number of cross-validation folds, with a model trained for each. 0 trains none",
    ),
    dev_path: Path | None = Option(
        None, "--dev", "-d", exists=True, help="Development data, to compare with"
    ),
    test_path: Path | None = Option(None, "--test", exists=True, help="Test data, to compare with"),
    least: float = Option(
        0.5,
        min=0.0,
        max=1.0,
        help="List suspects to whose annotation the models give at least this probability of "
        "being wrong",
    ),
    group_by: GroupByOption = None,
    cross_validation: Path | None = Option(
        None,
        file_okay=False,
        help="Folder of `cross-validate` with the same config, data and --folds: models that are "
        "there are used, and others are trained and kept there",
    ),
    component: EntityFinderOption = None,
    code_path: CodeOption = None,
    use_gpu: GpuOption = -1,
    force_overwrite: ForceOption = False,
) -> None:
    """Find problems and probable label errors in annotated data.

    First checks the data without a model, for entities off token boundaries, the same text
    annotated in two ways, the same doc in two parts of the data, and rare labels. Then looks for
    label errors by cross-validation: each fold is judged by a model trained on the others. Override
    settings of the config as with `spacy train`: --training.max_steps 500.
    """
    # Late, so that spaCy's other commands start as quickly as without this package
    from ..workflows import audit

    check_folder(output)
    if (output / "suspects.jsonl").exists() and not force_overwrite:
        raise UserError(
            f"{output} already contains an audit. Replace it with --force, or name another folder."
        )
    overrides = parse_overrides(ctx.args)
    prepare(code_path, use_gpu)
    found = audit(
        config,
        data_path,
        dev=dev_path,
        test=test_path,
        folds=folds,
        least=least,
        group_by=group_by,
        cross_validation=cross_validation,
        component=component,
        overrides=overrides,
        use_gpu=use_gpu,
        on_fold=lambda number, of: msg.info(f"Judged fold {number} of {of}"),
    )
    found.to_disk(output)
    print(found)
    msg.good(f"See {output / 'audit.html'}")
