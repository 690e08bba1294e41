"""The page of an audit."""

from collections.abc import Sequence

from spacy.training import Example

from ...common.pages import render, text_window
from .checks import DataProblem
from .suspects import Suspect

MOST_SUSPECTS = 500
SHOWN_PROBLEMS = 200  # of each kind


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
    shown = []
    for suspect in (suspects or ())[:MOST_SUSPECTS]:
        text = examples[suspect.doc].reference.text
        shown.append((suspect, text, *text_window(text, [suspect.entity[:2]])))
    return render(
        __package__,
        "audit.html.jinja",
        data=data,
        n_docs=len(examples),
        n_entities=sum(len(example.reference.ents) for example in examples),
        problems=by_kind,
        most=SHOWN_PROBLEMS,
        suspects=None if suspects is None else shown,
        n_suspects=len(suspects or ()),
        with_probabilities=any(each[0].entity.probability is not None for each in shown),
    )
