"""`cross-validate`: how good a config is on all of the data."""

from typer import Context, Option
from wasabi import msg

from ..common.files import check_folder
from .app import bilstm_crf_cli, parse_overrides, prepare
from .options import (
    WITH_OVERRIDES,
    CodeOption,
    ConfigArgument,
    DataArgument,
    EntityFinderOption,
    GpuOption,
    GroupByOption,
    OutputFolder,
    SliceOption,
)


@bilstm_crf_cli.command("cross-validate", context_settings=WITH_OVERRIDES)
def cross_validate_cli(
    ctx: Context,
    config: ConfigArgument,
    data_path: DataArgument,
    output: OutputFolder,
    folds: int = Option(
        5, "--folds", "-k", min=2, help="Number of folds, with a model trained for each"
    ),
    group_by: GroupByOption = None,
    slices: SliceOption = None,
    component: EntityFinderOption = None,
    code_path: CodeOption = None,
    use_gpu: GpuOption = -1,
) -> None:
    """Measure how good a training config is by cross-validation, in one HTML page.

    Each doc is predicted by a model that was trained without its fold. The page is a report on all
    of these predictions, with the scores of each fold. Override settings of the config as with
    `spacy train`: --training.max_steps 500. Run the same command again to resume an interrupted
    run: folds that are done are not trained again. `audit --cross-validation` uses the models.
    """
    # Late, so that spaCy's other commands start as quickly as without this package
    from ..workflows import cross_validate

    check_folder(output)
    overrides = parse_overrides(ctx.args)
    prepare(code_path, use_gpu)

    def say(number: int, of: int, was_there: bool) -> None:
        msg.info(f"Fold {number} of {of}: {'trained earlier' if was_there else 'trained'}")

    found = cross_validate(
        config,
        data_path,
        output,
        folds=folds,
        group_by=group_by,
        slices=slices or (),
        component=component,
        overrides=overrides,
        use_gpu=use_gpu,
        on_fold=say,
    )
    print(found)
    msg.good(f"Open {output / 'cross-validation.html'}")
