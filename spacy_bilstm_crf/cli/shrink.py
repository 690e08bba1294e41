"""`shrink`: a pipeline whose word vectors take less room."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from typer import Argument, Option
from wasabi import msg

from ..common.errors import UserError
from ..common.files import check_pipeline_folder, save_folder
from ..common.pipelines import import_code, load_pipeline
from .app import bilstm_crf_cli, check_choice, check_number, fails_in_one_line

if TYPE_CHECKING:
    from spacy.language import Language


@bilstm_crf_cli.command("shrink")
def shrink_cli(
    pipeline: str = Argument(..., help="Trained pipeline: a folder or an installed package"),
    output: Path = Argument(..., help="Folder for the smaller one"),
    keep_words: int | None = Option(
        None, "--keep-words", "-k", help="Vectors to keep, those of the most frequent words"
    ),
    dtype: str = Option("float16", "--dtype", "-d", help="Type of their numbers: float32, float16"),
    data_path: Path | None = Option(
        None, "--data", help="Annotated docs, to see what it costs: a .spacy file or a folder"
    ),
    code_path: Path | None = Option(
        None, "--code", help="Python file with registered functions that the pipeline needs"
    ),
    force_overwrite: bool = Option(False, "--force", "-F", help="Replace a pipeline that is there"),
) -> None:
    """Make a trained pipeline smaller: fewer word vectors, with fewer bits.

    Words of the training data have vectors of their own in the component, which stay as they are.
    """
    with fails_in_one_line():
        from ..workflows.vectors import DTYPES

        check_choice("--dtype", dtype, DTYPES)
        check_number("--keep-words", keep_words)
        check_pipeline_folder(output, force_overwrite)
        import_code(code_path)
        shrink(pipeline, output, keep_words, dtype, data_path)


def shrink(
    pipeline: str,
    output: Path,
    keep_words: int | None,
    dtype: str,
    data_path: Path | None,
) -> None:
    """Shrink, save, and say what it brings and costs.

    Raises:
        UserError: If it can't be shrunk, saved or scored.
    """
    from ..workflows.vectors import save_without, shrink_vectors

    nlp = load_pipeline(pipeline)
    n_before, f_before = len(nlp.vocab.vectors), _f_score(nlp, data_path)
    megabytes_before = _megabytes(Path(nlp.path))  # which the output may take the place of
    try:
        dropped = shrink_vectors(nlp, keep_words, dtype)
    except ValueError as error:
        raise UserError(f"{pipeline} can't be shrunk: {error}") from error
    save_folder(partial(save_without, nlp, dropped), output)
    smaller = load_pipeline(str(output))  # as a user will, so that it is seen to load
    msg.good(f"{n_before:,} vectors before, {len(smaller.vocab.vectors):,} now: {output}")
    print(f"MB on disk: {megabytes_before:.1f} before, {_megabytes(output):.1f} now")
    if f_before is not None:
        print(f"F on {data_path}: {f_before:.2f} before, {_f_score(smaller, data_path):.2f} now")


def _f_score(nlp: "Language", data_path: Path | None) -> float | None:
    """In percent; None where there are no data."""
    from ..data.corpus import read_examples

    if data_path is None:
        return None
    return 100 * nlp.evaluate(read_examples(data_path, nlp), batch_size=256)["ents_f"]


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
