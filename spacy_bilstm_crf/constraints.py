"""Masks of the tags that a doc or its annotation allows, before any model runs."""

from collections.abc import Iterable, Sequence

import numpy as np
from spacy.attrs import ENT_IOB, ENT_TYPE, IS_SPACE, ORTH, SENT_START
from spacy.errors import Errors
from spacy.tokens import Doc, Span
from spacy.training import Example

from . import tags

# spaCy's token.ent_iob values
IOB_IN, IOB_OUT, IOB_BEGIN = 1, 2, 3
Mask = np.ndarray | None  # bool [n_tokens, n_tags]; None allows all tags


def allowed_by_doc(
    doc: Doc, labels: Sequence[str], *, presets: bool = True, ignore: Iterable[Span] = ()
) -> Mask:
    """Return the tags that a doc allows.

    The rules are those of spaCy's `ner`. No entity starts or ends on whitespace, and none crosses a
    sentence start that is set. Preset entities stay, even against these two rules. A token that is
    blocked, or in a preset entity with an unknown label, is outside of any new entity. A token that
    is preset as outside may still become part of an entity.

    Args:
        doc: The doc.
        labels: Labels of the model.
        presets: Whether preset entities and blocked tokens count. They do not in training, as in
            spaCy's `ner`, which learns from the annotation alone.
        ignore: Entities of the doc that do not count as preset.

    Returns:
        bool [len(doc), n_tags]; None if all tags are allowed.
    """
    attrs = doc.to_array([ENT_IOB, SENT_START, IS_SPACE])
    iob, sent_start, is_space = attrs.reshape(len(doc), 3).T
    preset = ((iob == IOB_BEGIN) | (iob == IOB_IN)) & presets
    for ent in ignore:
        preset[ent.start : ent.end] = False
    starts_sentence = sent_start == 1
    starts_sentence[:1] = False  # nothing crosses the start of the document
    if not (preset.any() or starts_sentence.any() or is_space.any()):
        return None
    allowed = np.ones((len(doc), tags.count_tags(len(labels))), dtype=bool)
    by_move = allowed[:, 1:].reshape(len(doc), len(labels), 4)  # a view
    by_move[is_space != 0] &= np.arange(4) == tags.IN
    by_move[starts_sentence] &= np.isin(np.arange(4), (tags.BEGIN, tags.UNIT))
    if preset.any():
        allowed[preset] = np.arange(allowed.shape[1]) == tags.OUTSIDE
        for ent in doc.ents:
            if ent.label_ in labels and preset[ent.start]:
                tags.force_span(allowed, (ent.start, ent.end, labels.index(ent.label_)))
    return allowed


def allowed_by_gold(example: Example, labels: Sequence[str], by_doc: Mask) -> Mask:
    """Return the tags that an example's annotation allows.

    Missing, misaligned and blocked tokens allow all tags. So do annotated entities and outside
    tokens that the predicted doc rules out (see `allowed_by_doc`): no tag sequence could agree with
    both.

    Args:
        example: The example; its `reference` holds the annotation.
        labels: Labels of the model.
        by_doc: Tags that the predicted doc allows, bool [n_tokens, n_tags]; None for all.

    Returns:
        bool [n_tokens, n_tags]; None if nothing is annotated.

    Raises:
        ValueError: If an entity has a label that the model does not know.
    """
    gold = _gold_of_same_tokens(example, labels)
    if gold is None:
        gold = _gold_aligned(example, labels)
    if (gold < 0).all():
        return None
    if by_doc is not None:
        annotated = np.flatnonzero(gold >= 0)
        for token in annotated[~by_doc[annotated, gold[annotated]]]:
            _forget(gold, token)
    mask = np.ones((len(gold), tags.count_tags(len(labels))), dtype=bool)
    known = gold >= 0
    mask[known] = np.arange(mask.shape[1]) == gold[known, None]
    return mask


def _gold_aligned(example: Example, labels: Sequence[str]) -> np.ndarray:
    """Return annotated tag ids as spaCy aligns them with the predicted tokens, -1 for missing."""
    aligned = example.get_aligned_ner()
    ids = {tag: i for i, tag in enumerate(tags.biluo_tags(labels))}
    unknown = {tag for tag in aligned if tag not in ids and tag not in (None, "-", "")}
    if unknown:
        raise ValueError(_unknown_labels(sorted({tag[2:] for tag in unknown}), labels))
    return np.array([ids.get(tag, -1) for tag in aligned], dtype=np.int64)


def _gold_of_same_tokens(example: Example, labels: Sequence[str]) -> np.ndarray | None:
    """Return annotated tag ids without aligning, much faster; None if tokens need aligning."""
    predicted, reference = example.predicted, example.reference
    if len(predicted) != len(reference):
        return None
    orth, iob, is_space = reference.to_array([ORTH, ENT_IOB, IS_SPACE]).reshape(-1, 3).T
    # spaCy has rules of its own for whitespace
    if is_space.any() or (orth != predicted.to_array(ORTH)).any():
        return None
    gold = np.where(iob == IOB_OUT, tags.OUTSIDE, -1)
    for ent in reference.ents:
        if ent.label_ not in labels:
            return None
        gold[ent.start : ent.end] = tags.tags_of_span(
            (ent.start, ent.end, labels.index(ent.label_))
        )
    return gold


def allowed_by_gold_spans(
    example: Example, key: str, labels: Sequence[str], by_doc: Mask, levels: int = 1
) -> list[Mask]:
    """Return the tags that the annotated spans of an example allow, for each chain on its own.

    A label has a chain for each of its levels. Its spans are taken from the longest to the
    shortest, equal ones once: each belongs to the first level where it overlaps no longer one, and
    is left out where there is none. Tokens of a misaligned span allow all tags of its label, as do
    those of a span that the predicted doc rules out.

    Args:
        example: The example; its `reference` has the spans.
        key: Their key in `reference.spans`.
        labels: Labels of the model.
        by_doc: Tags of a label that the predicted doc allows, bool [n_tokens, 5]; None for all.
        levels: Number of levels.

    Returns:
        For each chain, label by label, bool [n_tokens, 5], or None if nothing is annotated.

    Raises:
        ValueError: If a span has a label that the model does not know.
    """
    if key not in example.reference.spans:
        return [None] * (len(labels) * levels)
    spans = example.reference.spans[key]
    unknown = sorted({span.label_ for span in spans if span.label_ not in labels})
    if unknown:
        raise ValueError(_unknown_labels(unknown, labels))
    n_tokens, n_tags = len(example.predicted), tags.count_tags(1)
    gold = np.full((len(labels), levels, n_tokens), tags.OUTSIDE)
    taken = np.zeros(gold.shape, dtype=bool)
    distinct = {(span.start, span.end, span.label_): span for span in spans}
    for span in sorted(distinct.values(), key=lambda span: (span.start - span.end, span.start)):
        label = labels.index(span.label_)
        aligned = example.get_aligned_spans_y2x([span], allow_overlap=True)
        if not aligned:
            tokens = np.asarray(example.alignment.y2x[span.start : span.end])
            gold[label][:, tokens] = np.where(taken[label][:, tokens], gold[label][:, tokens], -1)
            continue
        start, end = aligned[0].start, aligned[0].end
        free = np.flatnonzero(~taken[label, :, start:end].any(axis=1))
        if not len(free):
            continue
        chosen = tags.tags_of_span((start, end, 0))
        fits = by_doc is None or by_doc[np.arange(start, end), chosen].all()
        taken[label, free[0], start:end] = True
        gold[label, free[0], start:end] = chosen if fits else -1
    of_chains = gold.reshape(len(labels) * levels, n_tokens)
    known = of_chains >= 0
    masks = np.ones((*of_chains.shape, n_tags), dtype=bool)
    masks[known] = np.arange(n_tags) == of_chains[known, None]
    return list(masks)


def incorrect_spans(
    example: Example, key: str | None, labels: Sequence[str], right_key: str | None = None
) -> list[tags.LabelledSpan]:
    """Return the spans of the predicted doc that are annotated as not being entities.

    Spans with a label that the model does not know are left out: their probability is 0 already.

    Args:
        example: The example.
        key: Key of these spans in `reference.spans`; None for no such spans.
        labels: Labels of the model.
        right_key: Key in `reference.spans` of the annotated entities. None for `reference.ents`.

    Returns:
        First token, token after the last and index of the label of each span.

    Raises:
        ValueError: If a span is annotated as an entity as well (spaCy's E868).
    """
    if key is None or key not in example.reference.spans:
        return []
    wrong = example.get_aligned_spans_y2x(example.reference.spans[key], allow_overlap=True)
    if right_key is None:
        right, _ = example.get_aligned_ents_and_ner()
    else:
        group = example.reference.spans.get(right_key, [])
        right = example.get_aligned_spans_y2x(group, allow_overlap=True)
    annotated = {(ent.start_char, ent.end_char, ent.label_) for ent in right}
    for span in wrong:
        offsets = (span.start_char, span.end_char, span.label_)
        if offsets in annotated:
            raise ValueError(Errors.E868.format(span=offsets))
    known = (span for span in wrong if span.label_ in labels)
    return [(span.start, span.end, labels.index(span.label_)) for span in known]


def blocked_spans(doc: Doc) -> list[Span]:
    """Return the tokens of a doc that are blocked from being in an entity, as spans."""
    iob, ent_type = doc.to_array([ENT_IOB, ENT_TYPE]).reshape(len(doc), 2).T
    return [doc[i : i + 1] for i in np.flatnonzero((iob == IOB_BEGIN) & (ent_type == 0)).tolist()]


def _forget(gold: np.ndarray, token: int) -> None:
    """Mark the annotation of a token, and of the entity it is in, as missing (-1), in place."""
    if gold[token] <= tags.OUTSIDE:
        gold[token] = -1
        return
    first = last = int(token)
    while (gold[first] - 1) % 4 not in (tags.BEGIN, tags.UNIT):
        first -= 1
    while (gold[last] - 1) % 4 not in (tags.LAST, tags.UNIT):
        last += 1
    gold[first : last + 1] = -1


def _unknown_labels(unknown: list[str], labels: Sequence[str]) -> str:
    negated = [label for label in unknown if label.startswith("!")]
    if negated:
        return Errors.E869.format(label=negated[0])
    return (
        f"The annotation has entities with the labels {unknown}, which the component does not "
        f"know (its labels: {list(labels)}). Call add_label for each of them before training "
        f"goes on. In a config, a component with a source gets them in [initialize.before_init]: "
        f"@callbacks = spacy-bilstm-crf.AddLabels.v1; any other in [initialize.components]: labels."
    )
