"""The audit of annotated data, from reading it to the finished page."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from spacy.training import Example

from ...common.errors import UserError, check_probability
from ...common.files import write_files
from ...common.pages import as_frame
from ...data.corpus import Data, read_examples
from ...inference.recognizers import entity_finder, entity_source
from ...pipeline import BiLSTMCRFSpanRecognizer
from ...training.loop import untrained_pipeline
from ..cross_validation.folds import Fold, check_apart, trained_folds
from ..report.metrics import prf
from .checks import DataProblem, find_problems
from .held_out import entity_counts, judged
from .page import audit_page
from .suspects import ANNOTATED, Suspect, as_prodigy, ranked, suspects_by_label, suspects_of

# Below it models miss and invent more than twice as many entities as they get right. Annotation in
# use has errors in a few entities of a hundred, so nearly all that they disagree with is right
WEAK = 0.5


@dataclass(frozen=True, repr=False)
class Audit:
    """Problems and probable label errors of annotated data. Notebooks display its page.

    Attributes:
        problems: Problems that show without a model.
        suspects: Probable label errors, the most suspect first.
        f: F1 of the models on the docs that each had not seen, from 0 to 1. None if no model was
            trained, or there is nothing to find.
        said: What to know about the suspects, in sentences: how many there are, how good the models
            are, and a warning if these are weak.
        html: The page, which needs nothing beside it.
        examples: The audited docs, each with an unannotated one.
    """

    problems: list[DataProblem]
    suspects: list[Suspect]
    f: float | None
    said: list[str]
    html: str
    examples: list[Example] = field(compare=False)

    def __repr__(self) -> str:
        return "\n".join([f"Problems of the data: {len(self.problems):,}.", *self.said])

    def _repr_html_(self) -> str:
        return as_frame(self.html)

    def to_disk(self, folder: str | Path) -> None:
        """Write `audit.html`, `problems.jsonl` and `suspects.jsonl` to a folder.

        Files of these names are replaced. A line of `suspects.jsonl` is a task for Prodigy.

        Args:
            folder: The folder, which is made if it does not exist.

        Raises:
            UserError: If it can't be written.
        """
        problems = _lines(one._asdict() for one in self.problems)
        tasks = _lines(as_prodigy(one, self.examples[one.doc]) for one in self.suspects)
        contents = {"problems.jsonl": problems, "suspects.jsonl": tasks, "audit.html": self.html}
        write_files(folder, contents)


def audit(
    config: str | Path,
    data: Data,
    *,
    dev: Data | None = None,
    test: Data | None = None,
    folds: int = 5,
    least: float = 0.5,
    group_by: str | None = None,
    cross_validation: str | Path | None = None,
    component: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    use_gpu: int = -1,
    on_fold: Callable[[int, int], None] | None = None,
) -> Audit:
    """Find problems and probable label errors in annotated data.

    First checks the data without a model, for entities off token boundaries, the same words
    annotated in two ways, the same doc in two parts of the data, and rare labels. Then looks for
    label errors by cross-validation: each fold is judged by a model that was trained on the others.

    Args:
        config: A training config, as written by `init-config`.
        data: Annotated docs, a `.spacy` file, or a folder of such files.
        dev: Development data, to compare with.
        test: Test data, to compare with.
        folds: Number of cross-validation folds, at least 2. 0 trains no models.
        least: Suspects are listed if the models give their annotation at least this probability of
            being wrong.
        group_by: Key of the docs' meta or `user_data`. Docs with the same value are in the same
            fold.
        cross_validation: Folder of a `cross_validate` with the same config, data and folds. Models
            that are there are used, and others are trained and kept there. None keeps none.
        component: Name of the component that finds entities. Default: `ner`, or else the only
            component around a CRF, such as a `bilstm_crf_spans`.
        overrides: Settings of the config to replace, such as `{"training.max_steps": 500}`.
        use_gpu: ID of the GPU, or -1 for the CPU.
        on_fold: Called after each fold with its number, from 1, and the number of folds.

    Returns:
        What was found, and the page.

    Raises:
        UserError: If the config, the data or a number can't be used.
    """
    if folds < 0 or folds == 1:
        raise UserError(f"folds (--folds) is {folds}: use 2 or more, or 0 to train no model.")
    folder = None if cross_validation is None else Path(cross_validation)
    if folder is not None:
        _check_kept(folder, folds, data)
    check_probability(least=least)
    config, overrides = Path(config), dict(overrides or {})
    nlp = untrained_pipeline(config, overrides, None)
    component = entity_finder(nlp, f"The pipeline of {config}", component)
    pipe = nlp.get_pipe(component)
    where = entity_source(pipe)
    parts = {
        name: read_examples(part, nlp, where)
        for name, part in {"train": data, "dev": dev, "test": test}.items()
        if part is not None
    }
    examples = parts["train"]
    problems = find_problems(parts, where, _levels(pipe))
    docs = [example.reference for example in examples]
    suspects: list[Suspect] = []
    models: Iterable[Fold] = ()
    if folds:
        models = trained_folds(
            config, overrides, docs, folds, use_gpu, group_by=group_by, folder=folder
        )
    counts = np.zeros(4)
    compare = suspects_by_label if where.may_overlap else suspects_of
    for number, fold in enumerate(models, start=1):
        for i, annotated, possible, found in judged(fold, docs, component):
            suspects += compare(i, annotated, possible)
            counts += entity_counts(docs[i], found, where)
        if on_fold is not None:
            on_fold(number, folds)
    n_judged = sum(one.kind == ANNOTATED for one in suspects)
    suspects = ranked(suspects, least)
    f = float(prf(counts)[2])
    said = _said(suspects, n_judged, least, f) if folds else []
    name = Path(data).name if isinstance(data, str | Path) else "in-memory docs"
    page = audit_page(name, examples, problems, suspects if folds else None, said, where)
    return Audit(problems, suspects, None if math.isnan(f) else f, said, page, examples)


def _check_kept(folder: Path, folds: int, data: Data) -> None:
    """Check that the folder of a cross-validation can be used."""
    check_apart(folder, data)
    if not folds:
        raise UserError("--cross-validation needs models: use --folds 2 or more, or leave it out.")


def _levels(pipe: object) -> int | None:
    """Return how deep entities of one label may be nested for a component to learn them."""
    return pipe.levels if isinstance(pipe, BiLSTMCRFSpanRecognizer) else None


def _said(suspects: Sequence[Suspect], n_judged: int, least: float, f: float) -> list[str]:
    n_annotated = sum(one.kind == ANNOTATED for one in suspects)
    which = f", wrong with a probability of at least {least:g} by the models (--least)"
    has_probabilities = any(one.entity.probability is not None for one in suspects)
    said = [
        f"Suspects: {n_annotated:,} of {n_judged:,} annotated entities, and "
        f"{len(suspects) - n_annotated:,} places without annotation"
        f"{which if has_probabilities else ''}."
    ]
    if math.isnan(f):
        return said
    said.append(f"On docs that they have not seen, the models have an F of {100 * f:.1f}.")
    if f < WEAK:
        said.append(
            f"That is weak: with an F below {100 * WEAK:g} most suspects are errors of the models, "
            f"not of the annotation. Train them longer (training.max_steps), give them more data, "
            f"or review only the first suspects."
        )
    return said


def _lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
