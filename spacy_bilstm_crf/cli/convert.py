"""`convert`: files of annotation tools to those of others."""

from pathlib import Path
from typing import TYPE_CHECKING

from typer import Argument, Option
from wasabi import msg

from ..common.errors import UserError
from .app import bilstm_crf_cli, check_choice, fails_in_one_line

if TYPE_CHECKING:
    from ..data.formats import Findings, Settings

# Written out, so that spaCy's other commands need not import the formats; a test compares them
FORMATS = "spacy, prodigy, doccano, doccano-relations, label-studio, brat, conll"
LISTED = ".problems.jsonl"  # what the name of a list ends in


@bilstm_crf_cli.command("convert")
def convert_cli(
    path: Path = Argument(..., help="File to convert, or a folder of them", metavar="IN"),
    output: Path = Argument(..., help="File to write, or a folder for those of a folder"),
    source: str = Option(..., "--from", "-f", help=f"Its format: {FORMATS}"),
    target: str = Option("spacy", "--to", "-t", help="The format to write, one of the same"),
    lang: str = Option(
        "xx", "--lang", "-l", help="Language whose tokeniser cuts texts that come without tokens"
    ),
    on_problem: str = Option(
        "error",
        "--on-problem",
        help="What to do with a document that spaCy can't hold as it is annotated. error: write "
        "nothing. skip: leave it out. missing: take what the problem touches as not annotated",
    ),
    problems: Path | None = Option(
        None,
        "--problems",
        help="File to list the problems in, as JSON lines. Otherwise OUTPUT.problems.jsonl",
    ),
    unannotated: str = Option(
        "outside",
        "--unannotated",
        help="What is not annotated is no entity (outside), or it may be one (missing)",
    ),
    incorrect_spans_key: str = Option(
        "incorrect_spans", "--incorrect-spans-key", help="Key in doc.spans of rejected spans"
    ),
    text_key: str = Option("text", "--text-key", help="Key of the text in JSON"),
    scheme: str = Option(
        "auto", "--scheme", help="Tags of conll: iob1, iob2, biluo, bioes, or auto to see by itself"
    ),
    separator: str | None = Option(
        None,
        "--separator",
        help=r"Between the columns of conll, such as '\t'. Else any blanks",
    ),
    word_column: int = Option(0, "--word-column", help="Column of the word; the first is 0"),
    tag_column: int = Option(-1, "--tag-column", help="Column of the tag; -1 is the last"),
    pos_column: int | None = Option(
        None, "--pos-column", help="Column of the part of speech, to keep it as token.tag_"
    ),
    comment: str | None = Option(
        None, "--comment", help="What the comment lines of conll start with, such as '#'"
    ),
    force_overwrite: bool = Option(False, "--force", "-F", help="Replace what is there"),
) -> None:
    """Convert annotated data between spaCy, Prodigy, doccano, Label Studio, brat and CoNLL.

    Nothing is lost in silence: what a spaCy doc can't hold is counted and listed in a file, and
    what the other format can't hold is counted.
    """
    with fails_in_one_line():
        from ..data.formats import DocSettings, Settings
        from ..data.formats.columns import SCHEMES, ColumnSettings
        from ..data.formats.docs import ON_PROBLEM
        from ..data.formats.files import FORMATS as known

        for option, value, allowed in (
            ("--from", source, known),
            ("--to", target, known),
            ("--on-problem", on_problem, ON_PROBLEM),
            ("--unannotated", unannotated, ("outside", "missing")),
            ("--scheme", scheme, SCHEMES),
        ):
            check_choice(option, value, allowed)
        if separator == "":
            raise UserError("--separator is empty. Leave it out for any blanks.")
        if separator is not None:
            separator = separator.replace("\\t", "\t")
        settings = Settings(
            lang,
            text_key,
            DocSettings(on_problem, unannotated, incorrect_spans_key),
            ColumnSettings(scheme, separator, word_column, tag_column, pos_column, comment),
        )
        if not output.name:
            raise UserError(f"The output {output} is no file or folder that could be made.")
        listed = problems or output.with_name(f"{output.name}{LISTED}")
        if problems is not None and problems.exists() and not force_overwrite:
            raise UserError(f"{problems} exists. Replace it with --force, or name another.")
        if listed.exists() and not listed.is_file():
            raise UserError(f"{listed} is no file: name another for the list of --problems.")
        _convert(path, output, (source, target), settings, listed, force_overwrite)


def _convert(
    path: Path,
    output: Path,
    formats: "tuple[str, str]",
    settings: "Settings",
    listed: Path,
    force_overwrite: bool,
) -> None:
    from ..data.formats import Findings, check_targets, convert, files_of

    findings = Findings()
    try:
        files = files_of(path, formats[0], output, formats[1])
        check_targets(path, files, formats[1])
        if listed.resolve() in {place.resolve() for pair in files for place in pair}:
            raise UserError(f"{listed} is to be read or written itself: name another --problems.")
        existing = [target for _, target in files if target.exists()]
        if existing and not force_overwrite:
            raise UserError(f"{existing[0]} exists. Replace it with --force, or name another.")
        done = convert(files, *formats, settings, findings)
        _list(listed, findings)
    except UserError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(f"{error.filename or output}: {error.strerror}.") from error
    for what, n in sorted(findings.notes.items()):
        if n:
            msg.info(f"{n:,} {what}")
    if not done:
        first = findings.problems[0]
        raise UserError(
            f"{len(findings.problems):,} problems, and nothing was written. The first: "
            f"{first.place}: {first.kind}. {first.message} All are in {listed}. Mend them, or take "
            f"what they touch as not annotated: --on-problem missing."
        )
    if findings.problems:
        msg.warn(f"{_counts(findings)}: see {listed}")
    if not findings.n_annotated and formats[0] != "spacy":
        msg.warn(f"None of the documents is annotated. Is {path} really of --from {formats[0]}?")
    for converted in done:
        msg.good(f"{converted.path}: {converted.n_docs:,} docs")


def _list(listed: Path, findings: "Findings") -> None:
    """List the problems, or remove the list of an earlier run."""
    import srsly

    if findings.problems:
        listed.parent.mkdir(parents=True, exist_ok=True)
        srsly.write_jsonl(listed, [problem._asdict() for problem in findings.problems])
    elif listed.name.endswith(LISTED):
        listed.unlink(missing_ok=True)


def _counts(findings: "Findings") -> str:
    kinds: list[str] = [problem.kind for problem in findings.problems]
    return ", ".join(f"{kinds.count(kind):,} {kind}" for kind in sorted(set(kinds)))
