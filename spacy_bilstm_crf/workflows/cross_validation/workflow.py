"""Cross-validation of a training config, from reading the data to the finished page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import srsly
from spacy.util import get_package_version

from ...common.errors import UserError, check_installed
from ...common.files import write_files
from ...common.pages import as_frame, interval, percent
from ...data.corpus import Data, check_annotated, read_files
from ...inference.recognizers import entity_finder, entity_source
from ...training.loop import untrained_pipeline
from ..report.contents import report_numbers
from ..report.mentions import Compared
from ..report.metrics import bootstrap_weights, resampled, scores
from ..report.page import report_page
from ..report.predictions import check_slices, compared_docs, numbered_docs
from ..report.slices import ALL, NamedSlices, count_by_group
from .folds import check_apart, trained_folds

PAGE_NAME, NUMBERS_NAME = "cross-validation.html", "cross-validation.json"
OnFold = Callable[[int, int, bool], None]


@dataclass(frozen=True, repr=False)
class CrossValidation:
    """How good a training config is, by cross-validation. Notebooks display its page.

    Attributes:
        numbers: All numbers: dictionaries, lists, strings, numbers and None. They are those of a
            report on all docs, each predicted by the model that has not seen it, and under "folds"
            those of each fold.
        html: The page, which needs nothing beside it.
    """

    numbers: dict[str, Any]
    html: str

    def __repr__(self) -> str:
        lines = []
        for name, title in (("precision", "precision"), ("recall", "recall"), ("f", "F")):
            score = self.numbers["overall"][name]
            if score["value"] is not None:
                lines.append(f"{title} {percent(score['value'])} ({interval(score)})")
        spread = self.numbers["spread"]
        if spread["mean"] is not None:
            lines.append(
                f"F of {len(self.numbers['folds'])} folds: {percent(spread['low'])} to "
                f"{percent(spread['high'])}, mean {percent(spread['mean'])}, standard deviation "
                f"{percent(spread['deviation'])}"
            )
        return "\n".join(lines or ["No entity was annotated or found."])

    def _repr_html_(self) -> str:
        return as_frame(self.html)


def cross_validate(
    config: str | Path,
    data: Data,
    output: str | Path,
    *,
    folds: int = 5,
    group_by: str | None = None,
    slices: Sequence[str] = (),
    component: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    use_gpu: int = -1,
    on_fold: OnFold | None = None,
) -> CrossValidation:
    """Measure how good a training config is by cross-validation.

    The docs are split into folds. For each fold a model is trained on the others, and finds the
    entities of the fold, so that each doc is predicted by a model that has not seen it. A tenth of
    a model's training docs choose its best state. Docs with the same words are in the same fold.

    The models are kept in the output folder, with what they were trained on. The same call goes on
    after it was stopped or killed: no fold that is done is trained again. `audit` can use the
    folder.

    Args:
        config: A training config, as written by `init-config`. Its paths.train and paths.dev are
            replaced.
        data: Annotated docs, a `.spacy` file, or a folder of such files.
        output: Folder for the models, `cross-validation.html` and `cross-validation.json`.
        folds: Number of folds, at least 2.
        group_by: Key of the docs' meta or `user_data`, such as the source of a text. Docs with the
            same value are in the same fold.
        slices: Keys of `doc.user_data`, or names of extensions of docs or spans, to score entities
            by.
        component: Name of the component that finds entities. Default: `ner`, or else the only
            component around a CRF, such as a `bilstm_crf_spans`.
        overrides: Settings of the config to replace, such as `{"training.max_steps": 500}`.
        use_gpu: ID of the GPU, or -1 for the CPU.
        on_fold: Called after each fold with its number, from 1, the number of folds, and whether
            its model was trained earlier.

    Returns:
        The numbers and the page.

    Raises:
        UserError: If the config, the data or a number can't be used, or the folder holds the models
            of another cross-validation.
    """
    check_installed("report", "jinja2", "matplotlib")
    if folds < 2:
        raise UserError(f"folds (--folds) is {folds}: use 2 or more.")
    config, output, overrides = Path(config), Path(output), dict(overrides or {})
    check_apart(output, data)
    nlp = untrained_pipeline(config, overrides, None)
    where = entity_source(nlp.get_pipe(entity_finder(nlp, f"The pipeline of {config}", component)))
    docs = numbered_docs(read_files(data, nlp.vocab))
    annotated = [each.doc for each in docs]
    check_annotated(annotated, data, where)
    values = NamedSlices(slices)
    found: list[list[Compared]] = []
    models = trained_folds(
        config, overrides, annotated, folds, use_gpu, group_by=group_by, folder=output
    )
    fold_of_doc = [0] * len(docs)
    for number, fold in enumerate(models, start=1):
        held_out = [docs[i] for i in fold.held_out]
        found.append(
            compared_docs(f"The model of fold {number}", fold.nlp, held_out, values, where)
        )
        for i in fold.held_out:
            fold_of_doc[i] = number
        if on_fold is not None:
            on_fold(number, folds, fold.was_there)
    check_slices(values, annotated, data)
    every = sorted((doc for of_fold in found for doc in of_fold), key=lambda doc: doc.number)
    numbers = {
        "config": str(config),
        "data": str(data) if isinstance(data, str | Path) else None,
        "group_by": group_by,
        "version": get_package_version("spacy-bilstm-crf"),
        "spacy_version": get_package_version("spacy"),
        "n_not_annotated": len(docs) - len(every),
        "fold_of_doc": fold_of_doc,
        **_of_folds(found, [fold_of_doc.count(number + 1) for number in range(folds)]),
        **report_numbers(every, where=where),
    }
    shown = {**numbers, "pipeline": config.name, "train": None, "missing_labels": {}}
    page = report_page(shown, every, package=__package__, template="cross_validation.html.jinja")
    contents = {NUMBERS_NAME: srsly.json_dumps(numbers, indent=2), PAGE_NAME: page}
    write_files(output, contents)
    return CrossValidation(numbers, page)


def _of_folds(found: Sequence[Sequence[Compared]], sizes: Sequence[int]) -> dict[str, Any]:
    """Return the scores of each fold, and how much the F of folds vary.

    Args:
        found: The compared docs of each fold.
        sizes: Number of docs of each fold, those without annotation too.
    """
    folds = [
        {"n_docs": n_docs, "n_train_docs": sum(sizes) - n_docs, **_overall(docs)}
        for docs, n_docs in zip(found, sizes)
    ]
    fs = [fold["f"]["value"] for fold in folds if fold["f"]["value"] is not None]
    spread: dict[str, float | None] = dict.fromkeys(("mean", "deviation", "low", "high"))
    if fs:
        spread = {
            "mean": float(np.mean(fs)),
            "deviation": float(np.std(fs, ddof=1)) if len(fs) > 1 else None,
            "low": min(fs),
            "high": max(fs),
        }
    return {"folds": folds, "spread": spread}


def _overall(docs: Sequence[Compared]) -> dict[str, Any]:
    groups, counts = count_by_group(docs, None)
    of_all = counts[:, [groups.index(ALL)]]
    if not docs:
        return scores(of_all, np.full((1, 1, 3), np.nan))[0]
    return scores(of_all, resampled(of_all, bootstrap_weights(len(docs))))[0]
