"""The page of an audit."""

from collections.abc import Sequence
from typing import Any

from spacy.training import Example

from ...common.pages import render
from .checks import DataProblem
from .suspects import ANNOTATED, Suspect

MOST_SUSPECTS = 500
MOST_PROBLEMS = 200  # shown of each kind
CONTEXT_OF_SUSPECT = 80  # characters on either side


def audit_page(
    data: str,
    examples: Sequence[Example],
    problems: Sequence[DataProblem],
    suspects: Sequence[Suspect] | None,
) -> str:
    """Render the HTML page.

    Args:
        data: Name of the data.
        examples: Its docs.
        problems: Problems of the data.
        suspects: Probable label errors, the most suspect first; None if no model was trained.
    """
    by_kind: dict[str, list[DataProblem]] = {}
    for problem in problems:
        by_kind.setdefault(problem.kind, []).append(problem)
    suspects_shown = (suspects or ())[:MOST_SUSPECTS]
    return render(
        __package__,
        "audit.html.jinja",
        data=data,
        n_docs=len(examples),
        n_entities=sum(len(example.reference.ents) for example in examples),
        problems=by_kind,
        most=MOST_PROBLEMS,
        has_suspects=suspects is not None,
        suspects=[_shown(one, examples[one.doc].reference.text) for one in suspects_shown],
        n_suspects=len(suspects or ()),
        with_probabilities=any(one.entity.probability is not None for one in suspects_shown),
    )


def _shown(suspect: Suspect, text: str) -> dict[str, Any]:
    start, end, label = suspect.entity[:3]
    first, last = max(0, start - CONTEXT_OF_SUSPECT), end + CONTEXT_OF_SUSPECT
    shown = {
        "doc": suspect.doc,
        "before": ("… " if first else "") + text[first:start],
        "text": text[start:end],
        "label": label,
        "after": text[end:last] + (" …" if last < len(text) else ""),
        "kind": suspect.kind,
        "suspicion": suspect.suspicion,
        "prefers": None,
    }
    other = suspect.prefers
    if other is not None and suspect.kind == ANNOTATED:
        probability = "" if other.probability is None else f" ({other.probability:.3f})"
        shown["prefers"] = f"{text[other.start : other.end]!r} as {other.label}{probability}"
    return shown
