"""Estimate precision, recall and F on texts without annotation.

The true tag sequences of the texts are drawn from the model's own distribution, many times, and
what the pipeline finds is scored against each of them (confidence-based performance estimation, as
Kivimäki et al. 2025 do it for classifiers, carried over to entities). A draw has the entities of a
text together, so that those that exclude one another, or come together, do so in the scores. The
estimates are as right as the probabilities: calibrate the pipeline on texts of the same kind.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from spacy.language import Language
from spacy.util import minibatch

from ..common.errors import UserError, check_at_least, check_probability
from ..common.files import reported_os_errors
from ..common.pipelines import load_pipeline, pipeline_name
from ..data.corpus import before_component, doc_of_text, texts_of
from ..data.texts import Text
from ..decoding import decode, entropies, sampled_sequences
from ..inference.recognizers import recognizer_of
from ..pipeline import BiLSTMCRFEntityRecognizer
from ..pipeline.settings import calibration_of, decoding_settings
from ..tags import LabelledSpan
from .familiarity import Familiarity, FamiliarityCount
from .provenance import calibration_familiarity

_BATCH = 64  # docs
# Texts with more than so many times the entropy per token of those that were calibrated on, or the
# share of unknown words, are unlike them
UNLIKE = 1.5
MORE_UNKNOWN = 0.02  # by which the share has to be larger, too


class Interval(NamedTuple):
    """An estimated score, from 0 to 1.

    Attributes:
        mean: Its mean.
        low: The lower end of the interval.
        high: The upper end of the interval.
    """

    mean: float
    low: float
    high: float


class Estimate(NamedTuple):
    """The estimated scores of the entities of a label, or of all.

    Attributes:
        n_found: The number of entities that the pipeline finds.
        n_expected: The number of entities that there are, by the model's probabilities.
        precision: The share of found entities that are right; None if none is found.
        recall: The share of the entities that are found; None if there are none in any sample.
        f: Their harmonic mean, from the counts of each sample; None if either is None.
    """

    n_found: int
    n_expected: float
    precision: Interval | None
    recall: Interval | None
    f: Interval | None


class Estimates(NamedTuple):
    """The estimated scores of a pipeline on texts.

    Attributes:
        n_texts: The number of texts.
        overall: The scores of all entities.
        by_label: The scores of the entities of each label.
        warnings: What stands against the result, in sentences.
        familiarity: How well the component knows the texts.
        of_calibration: How well it knows those that it was calibrated on, as far as it is noted.
    """

    n_texts: int
    overall: Estimate
    by_label: dict[str, Estimate]
    warnings: list[str]
    familiarity: Familiarity
    of_calibration: Familiarity


def estimate(
    pipeline: Language | str | Path,
    texts: str | Path | Iterable[str | Text],
    *,
    component: str = "ner",
    samples: int = 500,
    level: float = 0.95,
    seed: int = 0,
    text_key: str = "text",
    lines: bool = False,
) -> Estimates:
    """Estimate precision, recall and F of a pipeline on texts without annotation.

    Args:
        pipeline: A trained pipeline, its folder or the name of its package.
        texts: The texts, or a file or folder of them.
        component: The name of the `bilstm_crf_ner` component.
        samples: Number of tag sequences to draw for each text.
        level: Probability that an interval is to contain its score.
        seed: Seed of the random numbers.
        text_key: Key or column of the text in JSON, CSV and Parquet.
        lines: Whether each line of a .txt file is a text; otherwise the whole file is one.

    Returns:
        The scores. Entities that other components have set before count as right.

    Raises:
        UserError: If an argument can't be used, or there is no text.
    """
    check_at_least(2, samples=samples)
    check_at_least(0, seed=seed)
    check_probability(level=level)
    nlp = load_pipeline(pipeline)
    if nlp is not pipeline:
        nlp.max_length = 10**9  # the limit is there for parsers
    ner = recognizer_of(nlp, pipeline_name(pipeline), component)
    where = texts if isinstance(texts, str | Path) else "The data"
    with reported_os_errors(where):
        given = list(texts_of(texts, text_key, lines=lines))
    if not given:
        raise UserError(f"{where} contains no text.")
    counts = _Counts.none(len(ner.labels), samples)
    random = np.random.default_rng(seed)
    familiarity = FamiliarityCount()
    wanted = decoding_settings(ner.cfg)._replace(entity_scores=False, candidates_threshold=None)
    for batch in minibatch(given, _BATCH):
        docs = before_component(nlp, [doc_of_text(nlp, text) for text in batch], ner.name)
        distribution = ner.distribution(docs, ignore=[[] for _ in docs])
        found = [prediction.entities for prediction in decode(distribution, wanted)]
        drawn = sampled_sequences(distribution, samples, [random] * len(docs))
        familiarity.add(docs, entropies(distribution), ner.unknown_words(docs))
        for entities, of_doc in zip(found, drawn):
            counts.add({entity.span for entity in entities}, of_doc)
    by_label = {
        label: counts.of_labels(slice(i, i + 1)).estimate(level)
        for i, label in enumerate(ner.labels)
    }
    overall = counts.of_labels(slice(None)).estimate(level)
    of_texts, known = familiarity.mean(), calibration_familiarity(nlp, ner.name)
    warnings = _warnings(ner, of_texts, known)
    return Estimates(len(given), overall, by_label, warnings, of_texts, known)


def _warnings(ner: BiLSTMCRFEntityRecognizer, texts: Familiarity, known: Familiarity) -> list[str]:
    """Say what stands against the estimates.

    Args:
        ner: The component.
        texts: How well it knows the texts.
        known: How well it knows those that it was calibrated on.
    """
    if calibration_of(ner.cfg).is_identity:
        return [
            f"'{ner.name}' is not calibrated, so that the estimates may be far off: calibrate it "
            f"first, on annotated texts of the same kind that it was not trained on."
        ]
    signs = [*_more_uncertain(texts.entropy, known.entropy), *_more_unknown(texts, known)]
    if not signs:
        return []
    return [
        f"The texts are unlike those that '{ner.name}' was calibrated on: it "
        f"{' and '.join(signs)}. The estimates may be far off: annotate some of these texts, and "
        f"calibrate on those."
    ]


def _more_uncertain(entropy: float | None, known: float | None) -> list[str]:
    if not entropy or not known or entropy <= UNLIKE * known:
        return []
    return [f"is {entropy / known:.1f} times as uncertain about a word"]


def _more_unknown(texts: Familiarity, known: Familiarity) -> list[str]:
    if texts.unknown is None or known.unknown is None:
        return []
    if texts.unknown <= max(UNLIKE * known.unknown, known.unknown + MORE_UNKNOWN):
        return []
    shares = (f"{100 * share:.1f} %" for share in (texts.unknown, known.unknown))
    return [f"does not know {' of their words, against '.join(shares)} there"]


class _Counts(NamedTuple):
    """Numbers of entities by label: of found ones, and in each sample of true and of right ones."""

    found: np.ndarray  # int64 [L]
    true: np.ndarray  # int64 [S, L]
    right: np.ndarray  # int64 [S, L]

    @classmethod
    def none(cls, n_labels: int, n_samples: int) -> "_Counts":
        of_samples = (n_samples, n_labels)
        found, true, right = (np.zeros(shape, int) for shape in (n_labels, of_samples, of_samples))
        return cls(found, true, right)

    def add(self, found: set[LabelledSpan], samples: Sequence[Sequence[LabelledSpan]]) -> None:
        """Add the entities of a text."""
        for _, _, label in found:
            self.found[label] += 1
        for number, true in enumerate(samples):
            for span in true:
                self.true[number, span[2]] += 1
                self.right[number, span[2]] += span in found

    def of_labels(self, labels: slice) -> "_Counts":
        """Return the counts of some labels together."""
        return _Counts(
            self.found[labels].sum(keepdims=True),
            self.true[:, labels].sum(axis=1, keepdims=True),
            self.right[:, labels].sum(axis=1, keepdims=True),
        )

    def estimate(self, level: float) -> Estimate:
        """Return the scores of counts of a single column."""
        n_found, true, right = int(self.found[0]), self.true[:, 0], self.right[:, 0]
        there = true > 0
        precision = recall = f = None
        if n_found:
            precision = _interval(right / n_found, level)
        if there.any():
            recall = _interval(right[there] / true[there], level)
        if n_found and there.any():
            f = _interval(2 * right / (n_found + true), level)
        return Estimate(n_found, float(true.mean()), precision, recall, f)


def _interval(scores: np.ndarray, level: float) -> Interval:
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(scores.mean()), float(low), float(high))
