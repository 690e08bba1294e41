"""Checks of a conversion: of its arguments before, and of what it found after."""

from collections import Counter
from collections.abc import Sequence
from io import BytesIO, TextIOWrapper
from pathlib import Path

from ...common.errors import UserError
from ...data.formats import FORMATS, DocSettings, Findings
from ...data.formats.contents import Contents
from ...data.formats.docs import BLANKS_AT_EDGES, NOT_ON_TOKENS, OVERLAPPING, PREDICTIONS
from ...data.formats.guess import looks_like
from ...data.formats.settings import UTF8


def check_labels(labels: Sequence[str], *formats: str) -> None:
    """Check that names of tags, if there are any, are distinct and of use.

    Args:
        labels: The names.
        formats: The formats to read and to write, of which one at least must have integers.

    Raises:
        UserError: If they are not.
    """
    if labels and not any(FORMATS[name].uses_labels for name in formats):
        which = (
            f"neither {' nor '.join(formats)} has" if len(formats) > 1 else f"{formats[0]} has no"
        )
        raise UserError(f"--labels: {which} integers to name.")
    twice = next((name for name, n in Counter(labels).items() if n > 1), None)
    if twice is not None or "" in labels:
        raise UserError(f"--labels has {twice or 'an empty name'!r}{' twice' if twice else ''}.")


def checked_encoding(name: str | None) -> str:
    """Return the encoding to read with.

    Raises:
        UserError: If there is none of this name.
    """
    if name is None or name.lower() in ("utf8", "utf-8"):
        return UTF8
    try:
        TextIOWrapper(BytesIO(), name)
    except (LookupError, ValueError) as error:
        raise UserError(f"--encoding {name}: there is no encoding of text of this name.") from error
    return name


def check_spans_settings(settings: DocSettings) -> None:
    """Check the settings of entities that overlap.

    Raises:
        UserError: If no document could have a group of spans, or another one has its key.
    """
    key = settings.spans_key
    if not settings.keeps_overlaps:
        return
    if settings.unannotated == "missing":
        raise UserError(
            "--overlaps keep is for documents that are completely annotated: leave out "
            "--unannotated missing."
        )
    if key in (settings.incorrect_spans_key, PREDICTIONS):
        raise UserError(f"--spans-key {key} is the key of other spans: name another.")


def message_of(findings: Findings, lang: str, listed: Path) -> str:
    """Say what the problems are, and what can be done about them.

    Args:
        findings: The problems.
        lang: The language of the tokenizer.
        listed: The list of the problems.
    """
    first = findings.problems[0]
    n_off = sum(problem.kind == NOT_ON_TOKENS for problem in findings.problems)
    advice = "treat the affected tokens as not annotated with --on-problem missing."
    if any(BLANKS_AT_EDGES in problem.message for problem in findings.problems):
        advice += " --on-problem trim cuts off blanks at the edges of spans."
    if any(problem.kind == OVERLAPPING for problem in findings.problems):
        advice += " --overlaps keep keeps entities that overlap, in doc.spans."
    if n_off > findings.n_mentions / 2:
        advice += f" Most entities are off the tokens of --lang {lang}: is it that of the texts?"
    return (
        f"{len(findings.problems):,} problems, and nothing was written. The first: {first.place}: "
        f"{first.kind}. {first.message} All are in {listed}. Fix them, or {advice}"
    )


def check_annotation(
    path: Path, source: str, contents: Sequence[Contents], findings: Findings
) -> None:
    """Check that something is annotated.

    Raises:
        UserError: If nothing is, or columns have no tag of an entity.
    """
    if any(each.n_entities or each.n_incorrect or each.n_predictions for each in contents):
        return
    # Where there were problems they say why, and --on-problem what was wanted
    if findings.problems or (findings.n_annotated and source != "conll"):
        return
    n_docs = sum(each.n_docs for each in contents)
    guess = looks_like(path, source)
    raise UserError(
        f"{path}: {n_docs:,} docs, but no entity in any of them. "
        f"{guess or f'Is {source} the right format (--from), and are the options of it right?'}"
    )


def check_in_spans(
    path: Path,
    source: str,
    contents: Sequence[Contents],
    findings: Findings,
    settings: DocSettings,
) -> None:
    """Check that some document has its entities in `doc.spans`, if they are to be there.

    Raises:
        UserError: If none has. It is none where problems say why, or with rejected spans.
    """
    n_docs = sum(each.n_docs for each in contents)
    is_any = any(each.n_docs > each.n_without_spans or each.n_incorrect for each in contents)
    if is_any or findings.problems:
        return
    what = f"none of {n_docs:,} docs is completely annotated"
    advice = "leave out --overlaps keep"
    if source == "spacy":
        what = f"none of {n_docs:,} docs has doc.spans[{settings.spans_key!r}]"
        advice = f"name another key with --spans-key, or {advice}"
    raise UserError(f"{path}: {what}: {advice}.")
