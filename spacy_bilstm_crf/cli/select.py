"""`select`: which documents to annotate next."""

from pathlib import Path
from typing import TYPE_CHECKING

from typer import Argument, Option
from wasabi import msg

from ..common.errors import UserError
from ..common.files import check_file
from ..common.pipelines import import_code, load_pipeline
from ..inference.recognizers import recognizer_of
from .app import bilstm_crf_cli, check_choice, choose_gpu, fails_in_one_line
from .options import LinesOption

if TYPE_CHECKING:
    from spacy.language import Language

    from ..data.texts import Text
    from ..workflows.selection import Selected


# Formats that tell suggestions from annotation
SUGGESTING = ("prodigy", "label-studio", "spacy")


@bilstm_crf_cli.command("select")
def select_cli(
    pipeline: str = Argument(..., help="Trained pipeline: a folder or an installed package"),
    texts_path: Path = Argument(
        ...,
        help="Texts: a .txt, .jsonl, .csv, .tsv, .parquet or .spacy file, a folder or a glob. A "
        ".txt file is one text, unless --lines is given",
    ),
    output: Path = Option(..., "--output", "-o", help="File to write the chosen documents to"),
    n: int = Option(100, "--n", "-n", help="How many to choose"),
    strategy: str = Option(
        "diverse",
        "--strategy",
        "-s",
        help="entropy: those the model is most unsure of. margin: those whose second best reading "
        "comes closest to the best. diverse: those with the most doubtful entities, where the same "
        "words count less each time",
    ),
    target: str = Option(
        "prodigy", "--to", "-t", help=f"The format to write: {', '.join(SUGGESTING)}"
    ),
    exclude: Path | None = Option(
        None, "--exclude", "-x", help="Docs that are annotated already: a .spacy file or a folder"
    ),
    text_key: str = Option("text", "--text-key", help="Key of the text in JSON"),
    lines: LinesOption = False,
    component: str = Option("ner", "--component", "-c", help="Name of the component"),
    code_path: Path | None = Option(
        None, "--code", help="Python file with registered functions that the pipeline needs"
    ),
    use_gpu: int = Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    force_overwrite: bool = Option(False, "--force", "-F", help="Replace what is there"),
) -> None:
    """Choose the documents to annotate next: those from which the model would learn most.

    They come with what the model takes for entities, as suggestions to correct.
    """
    with fails_in_one_line():
        from ..data.formats import Settings, write_whole
        from ..data.texts import read_texts
        from ..workflows.selection import STRATEGIES, suggestions

        check_choice("--strategy", strategy, STRATEGIES)
        check_choice("--to", target, SUGGESTING)
        if n < 1:
            raise UserError(f"--n {n}: ask for at least 1 document.")
        check_file(output, force_overwrite)
        for path in filter(None, (texts_path, exclude)):
            if path.resolve() in (output.resolve(), *output.resolve().parents):
                raise UserError(f"{output} is or lies in {path}, which is read. Name another.")
        import_code(code_path)
        choose_gpu(use_gpu)
        nlp = load_pipeline(pipeline)
        recognizer_of(nlp, pipeline, component)
        try:
            texts = list(read_texts(texts_path, text_key, lines=lines))
            if not texts:
                raise UserError(f"{texts_path} holds no text.")
            chosen = selected(nlp, texts, n, strategy, component, exclude)
            if not chosen:
                raise UserError(f"{texts_path} holds no text that is not known already.")
            docs = suggestions(nlp, texts, chosen)
            write_whole(docs, output, target, Settings(text_key=text_key))
        except UserError as error:
            raise UserError(str(error)) from error
        except OSError as error:
            raise UserError(f"{error.filename or output}: {error.strerror}.") from error
    msg.good(f"{len(chosen):,} of {len(texts):,} documents: {output}")


def selected(
    nlp: "Language",
    texts: list["Text"],
    n: int,
    strategy: str,
    component: str,
    exclude: Path | None,
) -> list["Selected"]:
    """The documents that were chosen, the most valuable first."""
    from ..data.corpus import read_docs
    from ..workflows.selection import select

    nlp.max_length = 10**9  # the limit is there for parsers
    known = read_docs(exclude, nlp.vocab) if exclude else []
    return select(nlp, texts, n, strategy, component, known)
