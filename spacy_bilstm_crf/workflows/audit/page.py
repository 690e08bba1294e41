"""The page of an audit."""

from collections.abc import Sequence

from spacy.training import Example

from ...common.pages import render, text_window
from ...data.entity_source import DOC_ENTS, EntitySource
from .checks import DataProblem
from .suspects import Suspect

MOST_SUSPECTS = 500
SHOWN_PROBLEMS = 200  # of each kind


def audit_page(
    data: str,
    examples: Sequence[Example],
    problems: Sequence[DataProblem],
    suspects: Sequence[Suspect] | None,
    said: Sequence[str] = (),
    where: EntitySource = DOC_ENTS,
) -> str:
    """Render the HTML page.

    Args:
        data: Name of the data.
        examples: Its docs.
        problems: Problems of the data.
        suspects: Probable label errors, the most suspect first; None if no model was trained.
        said: What to know about them, in sentences.
        where: Where the docs have their entities.
    """
    docs = [example.reference for example in examples]
    by_kind: dict[str, list[DataProblem]] = {}
    for problem in problems:
        by_kind.setdefault(problem.kind, []).append(problem)
    return render(
        __package__,
        "audit.html.jinja",
        data=data,
        docs=docs,
        n_entities=sum(len(where.entities(doc)) for doc in docs),
        problems=by_kind,
        most=SHOWN_PROBLEMS,
        suspects=suspects,
        most_suspects=MOST_SUSPECTS,
        said=said,
        with_probabilities=any(one.entity.probability is not None for one in suspects or ()),
        text_window=text_window,
    )
