"""`report`: one HTML page that shows how good a pipeline is and where it fails."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer import Argument, Option
from wasabi import msg

from ..common.errors import UserError, check_installed
from ..common.files import check_folder
from ..common.pipelines import import_code, load_pipeline
from .app import bilstm_crf_cli, choose_gpu, fails_in_one_line

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from ..workflows.report.mentions import Compared, ValuesOf

PAGE, NUMBERS = "report.html", "report.json"


@bilstm_crf_cli.command("report")
def report_cli(
    pipeline: str = Argument(..., help="Trained pipeline: a folder or an installed package"),
    data_path: Path = Argument(..., help="Annotated data: a .spacy file, or a folder of them"),
    output: Path = Option(
        ..., "--output", "-o", help=f"Folder to write {PAGE} and {NUMBERS} to, over those there"
    ),
    baseline: str | None = Option(
        None, "--baseline", "-b", help="Another pipeline, to compare with on the same data"
    ),
    train_path: Path | None = Option(
        None, "--train", "-t", help="Training data, to tell seen entities from unseen ones"
    ),
    slices: list[str] = Option(
        [],
        "--slice",
        "-s",
        help="Score entities by this key of doc.user_data or extension of docs or spans, too. "
        "May be given several times",
    ),
    code_path: Path | None = Option(
        None, "--code", help="Python file with registered functions that a pipeline needs"
    ),
    use_gpu: int = Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Show how good a pipeline is, and where it fails, in one HTML page.

    Works for any pipeline that sets doc.ents. The page has scores with their intervals, the errors
    by kind, groups of entities, and what the probabilities are worth where there are some. It needs
    no network. The same numbers are in a JSON file beside it.
    """
    with fails_in_one_line():
        check_installed("report", "jinja2", "matplotlib")
        check_folder(output)
        import_code(code_path)
        choose_gpu(use_gpu)
        numbers, page = report(pipeline, data_path, baseline, train_path, slices)
    # Late, so that spaCy's other commands start as quickly as without this package
    import srsly

    output.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output / NUMBERS, numbers)
    (output / PAGE).write_text(page, encoding="utf8")
    overall = numbers["overall"]
    for name, title in (("precision", "precision"), ("recall", "recall"), ("f", "F")):
        score = overall[name]
        if score["value"] is not None:
            values = [f"{100 * score[key]:.1f}" for key in ("value", "low", "high")]
            print(f"{title} {values[0]} ({values[1]} to {values[2]})")
    msg.good(f"Open {output / PAGE}")


def report(
    pipeline: str,
    data_path: Path,
    baseline: str | None = None,
    train_path: Path | None = None,
    slices: list[str] | None = None,
) -> tuple[dict[str, Any], str]:
    """The numbers and the page of a report.

    Args:
        pipeline: The pipeline's folder, or the name of an installed one.
        data_path: Annotated docs.
        baseline: Another pipeline to compare with.
        train_path: The docs that the pipeline was trained on.
        slices: Keys of `doc.user_data` or extensions to score entities by.

    Returns:
        What goes into the JSON file, and the HTML.

    Raises:
        UserError: If a pipeline or data can't be used, saying what to do.
    """
    from spacy.util import get_package_version

    from ..data.corpus import check_annotated, read_annotated, read_files
    from ..workflows.report.page import page
    from ..workflows.report.report import report as numbers_of
    from ..workflows.report.slices import NamedSlices, known_names, seen_entities

    names = [pipeline] if baseline is None else [pipeline, baseline]
    loaded = [load_pipeline(name) for name in names]
    vocab = loaded[0].vocab
    files = read_files(data_path, vocab)
    data = [(doc, source if len(files) > 1 else "") for source, docs in files for doc in docs]
    check_annotated([doc for doc, _ in data], data_path)
    seen = seen_entities(read_annotated(train_path, vocab)) if train_path else None
    values = NamedSlices(slices or [])
    found = [list(_compared(name, nlp, data, values)) for name, nlp in zip(names, loaded)]
    for name in values.names:
        if name not in values.met:
            known = ", ".join(known_names(doc for doc, _ in data)) or "nothing"
            raise UserError(
                f"--slice {name}: no doc has it in its user_data, and no entity as an extension. "
                f"The user_data of {data_path} have {known}."
            )
    numbers = {
        "pipeline": pipeline,
        "data": str(data_path),
        "train": str(train_path) if train_path else None,
        "version": get_package_version("spacy-bilstm-crf"),
        "spacy_version": get_package_version("spacy"),
        "n_not_annotated": len(data) - len(found[0]),
        **numbers_of(found[0], found[1] if baseline else None, seen),
    }
    if baseline is not None:
        numbers["baseline"] = {"pipeline": baseline, **numbers["baseline"]}
    return numbers, page(numbers, found[0], found[1] if baseline else None)


def _compared(
    name: str, nlp: "Language", data: list[tuple["Doc", str]], values: "ValuesOf"
) -> Iterator["Compared"]:
    """Let a pipeline find entities in the texts of annotated docs.

    Raises:
        UserError: If it sets none.
    """
    from ..data.corpus import unannotated
    from ..workflows.report.mentions import compared

    texts = (unannotated(nlp, doc) for doc, _ in data)
    is_annotated = False
    for number, ((gold, source), predicted) in enumerate(zip(data, nlp.pipe(texts))):
        is_annotated = is_annotated or predicted.has_annotation("ENT_IOB")
        found = compared(number, gold, predicted, source, values)
        if found is not None:
            yield found
    if not is_annotated:
        raise UserError(
            f"{name} sets no entities (doc.ents): it has {', '.join(nlp.pipe_names) or 'nothing'}. "
            f"Name a pipeline with a component such as ner or bilstm_crf_ner."
        )
