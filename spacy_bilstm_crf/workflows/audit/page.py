"""The audit as a page that opens from disk."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from spacy.training import Example

from .checks import Problem
from .suspects import ANNOTATED, Suspect

MOST_SUSPECTS = 500
MOST_OF_A_KIND = 200
AROUND = 80  # characters beside an entity


def page_of(
    data: str,
    examples: Sequence[Example],
    problems: Sequence[Problem],
    suspects: Sequence[Suspect] | None,
) -> str:
    """HTML of an audit.

    Args:
        data: What was audited.
        examples: Its docs.
        problems: What is wrong with them.
        suspects: What is suspect, the most suspect first; None if no model was asked.
    """
    from jinja2 import Environment  # spaCy needs it too

    by_kind: dict[str, list[Problem]] = {}
    for problem in problems:
        by_kind.setdefault(problem.kind, []).append(problem)
    template = files(__package__).joinpath("page.html").read_text(encoding="utf8")
    shown = None if suspects is None else suspects[:MOST_SUSPECTS]
    return (
        Environment(autoescape=True)
        .from_string(template)
        .render(
            data=data,
            n_docs=f"{len(examples):,}",
            n_entities=f"{sum(len(example.reference.ents) for example in examples):,}",
            problems=by_kind,
            most=MOST_OF_A_KIND,
            suspects=None if shown is None else [_shown(suspect, examples) for suspect in shown],
            n_suspects=len(suspects or ()),
            with_probabilities=any(s.entity.probability is not None for s in suspects or ()),
        )
    )


def _shown(suspect: Suspect, examples: Sequence[Example]) -> dict[str, Any]:
    text = examples[suspect.doc].reference.text
    start, end, label = suspect.entity[:3]
    before, after = text[max(0, start - AROUND) : start], text[end : end + AROUND]
    prefers = "no entity"
    if suspect.prefers is not None and suspect.kind == ANNOTATED:
        other = suspect.prefers
        prefers = f"{text[other.start : other.end]!r} as {other.label}"
        if other.probability is not None:
            prefers += f" ({other.probability:.3f})"
    return {
        "doc": suspect.doc,
        "kind": suspect.kind,
        "before": ("... " if start > AROUND else "") + before,
        "text": text[start:end],
        "label": label,
        "after": after + (" ..." if end + AROUND < len(text) else ""),
        "prefers": prefers,
        "suspicion": suspect.suspicion,
    }
