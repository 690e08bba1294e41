"""A student's loss by a teacher's soft labels."""

from itertools import pairwise, product

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_bilstm_crf.potentials import Potentials
from spacy_bilstm_crf.tags import count_tags, legal_transitions
from spacy_bilstm_crf.training.distillation import SOFT_LABELS, SoftLabels, Teacher, set_soft_labels
from tests.helpers import make_nlp, random_potentials

LABELS = ("PERSON", "LOC")
WORDS = [["Ada"], ["saw", "New", "York"], ["in", "1833"]]


@pytest.fixture(scope="module")
def nlp():
    return make_nlp(labels=LABELS)


def examples_of(nlp, labels=LABELS, temperature=1.0, seed=1):
    """Examples of which the second is annotated, and the others have soft labels of a teacher."""
    potentials = random_potentials([len(words) for words in WORDS], seed)
    potentials = potentials.first_tags(count_tags(len(labels)))
    shared = (potentials.transitions, potentials.start, potentials.end)
    teacher = Teacher(labels, *shared, temperature)
    examples = []
    for number, (words, emissions) in enumerate(zip(WORDS, potentials.emissions)):
        reference = Doc(nlp.vocab, words=words)
        if number == 1:
            reference.ents = [Span(reference, 1, 3, "LOC")]
        else:
            set_soft_labels(reference, SoftLabels(teacher, emissions))
        examples.append(Example(Doc(nlp.vocab, words=words), reference))
    return examples


def legal(tags, n_labels):
    blocks = legal_transitions(n_labels)
    steps = {(a, b) for a in blocks.ended for b in blocks.fresh}
    steps |= {
        (a, b)
        for before, after in zip(blocks.going_on, blocks.inside)
        for a in before
        for b in after
    }
    return all(step in steps for step in zip((0, *tags), (*tags, 0)))


def log_probabilities(potentials, doc, n_tags, temperature):
    """Of every legal tag sequence, by enumeration."""
    emissions = np.asarray(potentials.emissions[doc], dtype=np.float64)
    scores = {}
    for tags in product(range(n_tags), repeat=len(emissions)):
        if legal(tags, (n_tags - 1) // 4):
            score = potentials.start[tags[0]] + potentials.end[tags[-1]]
            score += sum(emissions[step, tag] for step, tag in enumerate(tags))
            score += sum(potentials.transitions[step] for step in pairwise(tags))
            scores[tags] = score / temperature
    log_z = np.logaddexp.reduce(list(scores.values()))
    return {tags: score - log_z for tags, score in scores.items()}


def divergence(teacher, student, doc, n_tags, temperature):
    theirs, ours = (
        log_probabilities(potentials, doc, n_tags, temperature) for potentials in (teacher, student)
    )
    return temperature**2 * sum(np.exp(p) * (p - ours[tags]) for tags, p in theirs.items())


def teacher_of(examples):
    soft = examples[0].reference.user_data[SOFT_LABELS]
    emissions = [eg.reference.user_data.get(SOFT_LABELS, soft).emissions for eg in examples]
    return Potentials(emissions, *soft.teacher[1:4])


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_loss_is_the_divergence_of_all_tag_sequences(nlp, temperature):
    ner = nlp.get_pipe("ner")
    examples = examples_of(nlp, temperature=temperature)
    student = random_potentials([len(words) for words in WORDS], seed=2)
    taught = [examples[0], examples[2]]
    found, _ = ner.get_loss(
        taught, Potentials([student.emissions[0], student.emissions[2]], *shared(student))
    )
    expected = [
        divergence(teacher_of(examples), student, doc, count_tags(2), temperature) for doc in (0, 2)
    ]
    assert found == pytest.approx(np.mean(expected), rel=1e-5)
    # With the annotated one among them: the mean over the docs
    together, gradient = ner.get_loss(examples, student)
    annotated, _ = ner.get_loss([examples[1]], Potentials([student.emissions[1]], *shared(student)))
    assert together == pytest.approx((sum(expected) + annotated) / 3, rel=1e-5)
    rng = np.random.default_rng(0)
    for part in ("transitions", "start", "end", 0, 1, 2):
        values = student.emissions[part] if isinstance(part, int) else getattr(student, part)
        slopes = gradient.emissions[part] if isinstance(part, int) else getattr(gradient, part)
        place = tuple(rng.integers(size) for size in values.shape)
        before = values[place]
        ends = []
        for nudge in (0.05, -0.05):
            values[place] = before + nudge
            ends.append(ner.get_loss(examples, student)[0])
        values[place] = before
        assert slopes[place] == pytest.approx((ends[0] - ends[1]) / 0.1, abs=2e-3)


def shared(potentials):
    return potentials.transitions, potentials.start, potentials.end


def test_labels_that_the_teacher_does_not_know_are_left_free(nlp):
    student = random_potentials([len(words) for words in WORDS], seed=2)
    examples = examples_of(nlp, labels=LABELS[:1])
    del examples[1]
    del student.emissions[1]
    loss, gradient = nlp.get_pipe("ner").get_loss(examples, student)
    expected = [divergence(teacher_of(examples), student, doc, 5, 1.0) for doc in (0, 1)]
    assert loss == pytest.approx(np.mean(expected), rel=1e-5)
    assert not np.concatenate(gradient.emissions)[:, 5:].any()


def test_soft_labels_of_two_teachers_in_a_batch(nlp):
    ner = nlp.get_pipe("ner")
    one, other = (examples_of(nlp, seed=seed)[0] for seed in (1, 5))
    emissions = random_potentials([1, 1], seed=2)
    both, _ = ner.get_loss([one, other], emissions)
    alone = [
        ner.get_loss([example], Potentials([doc], *shared(emissions)))[0]
        for example, doc in zip((one, other), emissions.emissions)
    ]
    assert both == pytest.approx(np.mean(alone))


def test_soft_labels_that_do_not_fit():
    nlp = make_nlp(labels=("LOC", "PERSON"))
    examples = examples_of(nlp)
    with pytest.raises(ValueError, match=r"first labels of the student are \['LOC', 'PERSON'\]"):
        nlp.update(examples)
    nlp = make_nlp(labels=LABELS)
    soft = examples_of(nlp)[0].reference.user_data[SOFT_LABELS]
    other = spacy.blank("en")("Ada Lovelace")
    set_soft_labels(other, soft)
    with pytest.raises(ValueError, match="splits a doc into 1 tokens and the student into 2"):
        nlp.update([Example(nlp.make_doc("Ada Lovelace"), other)])
