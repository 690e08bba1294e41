"""`audit`: find annotation that is wrong."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer import Argument, Context, Option
from wasabi import msg

from ..common.errors import UserError
from ..common.files import check_folder
from ..common.pipelines import import_code
from ..training.loop import untrained_pipeline
from .app import bilstm_crf_cli, check_probability, choose_gpu, fails_in_one_line, overrides_of

if TYPE_CHECKING:
    from ..workflows.audit import Suspect


@bilstm_crf_cli.command(
    "audit", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def audit_cli(
    ctx: Context,
    config: Path = Argument(..., help="Training config, as `init-config` writes it"),
    data_path: Path = Argument(..., help="The annotation: a .spacy file, or a folder of them"),
    output: Path = Option(..., "--output", "-o", help="Folder for the page and the lists"),
    folds: int = Option(
        5, "--folds", "-k", help="Train so many models, each on all but one part. 0 trains none"
    ),
    dev_path: Path | None = Option(None, "--dev", help="Development data, to compare with"),
    test_path: Path | None = Option(None, "--test", help="Test data, to compare with"),
    least: float = Option(
        0.5, "--least", help="Least probability that the annotation is wrong, for a suspect"
    ),
    component: str = Option("ner", "--component", "-c", help="The component that finds entities"),
    code_path: Path | None = Option(
        None, "--code", help="Python file with registered functions that the config needs"
    ),
    use_gpu: int = Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    force_overwrite: bool = Option(False, "--force", "-F", help="Replace the lists that are there"),
) -> None:
    """Find annotation that is wrong, or probably is.

    First without a model: entities that are no whole tokens, the same text annotated in two ways,
    the same document in two parts of the data, rare labels. Then models are trained on parts of
    the data, and each judges the part that it has not seen. Settings of the config can be replaced
    as for `spacy train`: --training.max_steps 500.
    """
    with fails_in_one_line():
        check_folder(output)
        if (output / "suspects.jsonl").exists() and not force_overwrite:
            raise UserError(f"{output} holds an audit. Replace it with --force, or name another.")
        if folds < 0 or folds == 1:
            raise UserError(f"--folds {folds} can't be: take 2 or more, or 0 for no training.")
        check_probability("--least", least)
        overrides = overrides_of(ctx.args)
        import_code(code_path)
        choose_gpu(use_gpu)
        audit(
            *(config, data_path, output, folds),
            compared={"dev": dev_path, "test": test_path},
            least=least,
            component=component,
            overrides=overrides,
            use_gpu=use_gpu,
        )


def audit(
    config: Path,
    data_path: Path,
    output: Path,
    n_folds: int = 5,
    *,
    compared: dict[str, Path | None] | None = None,
    least: float = 0.5,
    component: str = "ner",
    overrides: dict[str, Any] | None = None,
    use_gpu: int = -1,
) -> list["Suspect"]:
    """Audit annotation, and write `problems.jsonl`, `suspects.jsonl` and `audit.html`.

    Args:
        config: Training config.
        data_path: The annotation.
        output: Folder for the results.
        n_folds: Number of folds; 0 trains no model.
        compared: Other parts of the data by their names.
        least: Least suspicion of a suspect.
        component: The component that finds entities.
        overrides: Settings of the config to replace.
        use_gpu: ID of the GPU, or -1.

    Returns:
        The suspects, the most suspect first.

    Raises:
        UserError: If the config or the data can't be used.
    """
    # Late, so that spaCy's other commands start as quickly as without this package
    from ..common.errors import one_line
    from ..data.corpus import read_examples
    from ..workflows.audit import as_prodigy, problems, suspects_in, trained_folds
    from ..workflows.audit.page import page_of
    from ..workflows.audit.suspects import ranked

    nlp = untrained_pipeline(config, overrides or {}, component)
    paths = {"train": data_path, **{k: v for k, v in (compared or {}).items() if v is not None}}
    parts = {name: read_examples(path, nlp) for name, path in paths.items()}
    examples = parts["train"]
    found = problems(parts)
    msg.info(f"{len(found):,} problems that show without a model")
    suspects: list[Suspect] = []
    docs = [example.reference for example in examples]
    try:
        trained = trained_folds(config, overrides or {}, docs, n_folds, use_gpu)
        for number, fold in enumerate(trained if n_folds else ()):
            suspects += suspects_in(fold, docs, component)
            msg.info(f"Fold {number + 1} of {n_folds} is trained and judged")
    except ValueError as error:
        raise UserError(one_line(error)) from error
    suspects = ranked(suspects, least)
    output.mkdir(parents=True, exist_ok=True)
    _write_lines(output / "problems.jsonl", (problem._asdict() for problem in found))
    _write_lines(output / "suspects.jsonl", (as_prodigy(one, examples) for one in suspects))
    page = page_of(data_path.name, examples, found, suspects if n_folds else None)
    (output / "audit.html").write_text(page, encoding="utf8")
    msg.good(f"{len(suspects):,} suspects: see {output / 'audit.html'}")
    return suspects


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
