"""Choose the settings of a training by the statistics of a corpus, each with its reason."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import spacy
from spacy.util import dict_to_dot, load_config, set_dot_to_object
from thinc.api import Config

from ...data.statistics import Survey
from .gazetteer import GAZETTEER
from .recognizer import Recognizer

COMMENT_WIDTH = 96
N_EVALUATIONS = 20
# Less would end some trainings before the steps are small, when most still improve
EVALUATIONS_WITHOUT_GAIN = 10  # evaluations
LOOKUP_TABLES = ["lexeme_prob", "lexeme_cluster"]
LOOKUP_ATTRS = ["PROB", "LOWER_PROB", "TITLE_PROB", "UPPER_PROB", "CLUSTER"]


class Length(NamedTuple):
    """The length of a training: twice as many steps for four times the sentences."""

    steps_for_1000: int
    least_steps: int
    most_steps: int
    sentences_a_batch: int

    def steps(self, n_sentences: int) -> int:
        """Return the number of steps for a number of sentences, in hundreds."""
        steps = round(self.steps_for_1000 * (n_sentences / 1000) ** 0.5, -2)
        return int(min(max(steps, self.least_steps), self.most_steps))


# benchmarks/data_size measures what this costs against 21,000 steps for any data
BILSTM_LENGTH = Length(4000, least_steps=1000, most_steps=21000, sentences_a_batch=20)
TRANSFORMER_LENGTH = Length(1000, least_steps=500, most_steps=20000, sentences_a_batch=32)
# If at least this share of the entities recur, F1 is near 1 and the most probable tag sequence is
# best: F1 of 92.5 against 91.9 on dev (sec-filings, where 0.8 recur; at most 0.54 in other sets)
RECURRING = 2 / 3
# Otherwise the threshold, for up to so many sentences
THRESHOLDS = ((2000, 0.3), (10000, 0.4), (float("inf"), 0.5))


# Least share of the entities that overlap another one of the same label, for these to be learned
NESTED = 0.01
MOST_LEVELS = 3


class Choice(NamedTuple):
    """A setting, its value, and the reason for it.

    Attributes:
        path: Its path in the config, such as "training.max_steps".
        value: The value, which may be a whole block.
        why: The reason, which becomes a comment; "" for none.
    """

    path: str
    value: Any
    why: str = ""


class Sources(NamedTuple):
    """What a model can learn from besides the annotation, and where it is trained."""

    vectors: str | Path | None = None
    lookups: bool = False
    patterns: str | Path | None = None
    transformer: str | None = None
    gpu: bool = False


def base_config(lang: str, sources: Sources, recognizer: Recognizer) -> Config:
    """Return a complete config, except for what depends on the data.

    Args:
        lang: Language code.
        sources: What the model can learn from.
        recognizer: The component that is trained.
    """
    nlp = spacy.blank(lang)
    if sources.patterns is not None:
        nlp.add_pipe("span_ruler", name=GAZETTEER, config={"spans_key": GAZETTEER, "scorer": None})
    files = ["bilstm.cfg"]
    if sources.transformer is not None:
        model = {"name": sources.transformer, "mixed_precision": sources.gpu}
        nlp.add_pipe("transformer", config={"model": model})
        files.append("transformer.cfg")
    nlp.add_pipe(recognizer.factory, name=recognizer.name, config=recognizer.settings)
    paths = [Path(__file__).with_name(file) for file in files]
    config = nlp.config.copy()
    for path in paths:
        # The block of a registered function is one setting
        for name, value in dict_to_dot(load_config(path), for_overrides=True).items():
            name = name.replace("components.ner.", recognizer.path(""), 1)
            set_dot_to_object(config, name, value)
    return config


def settings_above_transformer() -> dict[str, Any]:
    """Return the settings of a BiLSTMCRF on top of a transformer."""
    path = Path(__file__).with_name("transformer.cfg")
    settings = load_config(path)["components"]["ner"]["model"]
    return {name: value for name, value in settings.items() if name != "tok2vec"}


def choices(
    found: Survey, sources: Sources, recognizer: Recognizer, vectors_coverage: float, lang: str
) -> list[Choice]:
    """Choose the settings that depend on the data and on the other sources."""
    chosen = [*_length(found, sources), *_decoding(found, recognizer)]
    if recognizer.where.may_overlap:
        chosen += _nesting(found, recognizer)
    if sources.vectors is not None:
        why = f"{vectors_coverage:.0%} of the training data's tokens have a vector in it."
        chosen.append(Choice("paths.vectors", str(sources.vectors), why))
    if sources.lookups:
        loader = {"@misc": "spacy.LookupsDataLoader.v1", "lang": lang, "tables": LOOKUP_TABLES}
        chosen.append(Choice("initialize.lookups", loader))
        why = "From the lookups tables: a word's log-probability and Brown cluster."
        chosen.append(Choice(recognizer.path("model.tok2vec.attrs"), LOOKUP_ATTRS, why))
    if sources.patterns is not None:
        chosen += _lists(str(sources.patterns), recognizer)
    weights = dict(recognizer.score_weights())
    if sources.patterns is not None:
        weights |= {f"spans_ruler_{score}": None for score in ("f", "p", "r", "per_type")}
    if sources.patterns is not None or recognizer.where.may_overlap:
        chosen.append(Choice("training.score_weights", weights))
    if sources.gpu:
        chosen.append(
            Choice(
                "system.gpu_allocator", "pytorch", "spaCy and PyTorch share one pool of GPU memory."
            )
        )
    return chosen


def _lists(patterns: str, recognizer: Recognizer) -> Iterator[Choice]:
    reader = {"@readers": "spacy-bilstm-crf.Patterns.v1", "path": "${paths.patterns}"}
    yield Choice("paths.patterns", patterns)
    yield Choice("initialize.components", {GAZETTEER: {"patterns": reader}})
    why = "The lists are matched in the training data, too."
    yield Choice("training.annotating_components", [GAZETTEER], why)
    why = "The matches of the lists; span_dropout below is the share that training leaves out."
    yield Choice(recognizer.path("model.tok2vec.span_features"), [GAZETTEER], why)


def _length(found: Survey, sources: Sources) -> Iterator[Choice]:
    length = TRANSFORMER_LENGTH if sources.transformer else BILSTM_LENGTH
    steps = length.steps(found.n_sentences)
    epochs = steps * length.sentences_a_batch / found.n_sentences
    yield Choice(
        "training.max_steps",
        steps,
        f"About {epochs:.0f} epochs of {found.n_sentences:,} sentences. Four times the data get "
        f"twice as many steps, from {length.least_steps:,} up to {length.most_steps:,}.",
    )
    # The number again, since `nlp.resume_training` does not resolve a ${variable} here
    yield Choice("training.optimizer.learn_rate.total_steps", steps, "The same as max_steps.")
    frequency = max(1, steps // N_EVALUATIONS)
    yield Choice(
        "training.patience",
        EVALUATIONS_WITHOUT_GAIN * frequency,
        f"Training ends when {EVALUATIONS_WITHOUT_GAIN} evaluations bring no better score.",
    )
    yield Choice(
        "training.eval_frequency",
        frequency,
        f"{N_EVALUATIONS} evaluations; the best model is kept.",
    )
    words = found.n_tokens / found.n_sentences
    yield Choice(
        "training.batcher.size",
        max(1, round(length.sentences_a_batch * words)),
        f"Words: {length.sentences_a_batch} sentences of {words:.1f}.",
    )


def n_levels(found: Survey) -> int:
    """Return how deep entities of one label may be nested for the model to learn them all.

    Few of them are not worth another CRF for each label.
    """
    least = NESTED * found.n_entities
    if found.n_in_same_label < least:
        return 1
    depths = [
        level
        for level in found.n_of_level
        if sum(n for at, n in found.n_of_level.items() if at >= level) >= least
    ]
    return min(max(2, *depths), MOST_LEVELS)


def _nesting(found: Survey, recognizer: Recognizer) -> Iterator[Choice]:
    levels = n_levels(found)
    if levels > 1:
        share = found.n_in_same_label / found.n_entities
        yield Choice(
            recognizer.path("levels"),
            levels,
            f"{share:.0%} of the entities overlap another one of the same label: {levels} CRFs for "
            f"each label find entities within one another.",
        )


def _decoding(found: Survey, recognizer: Recognizer) -> Iterator[Choice]:
    recurring = found.n_recurring / found.n_entities
    if recurring >= RECURRING:
        threshold = None
        why = (
            f"{recurring:.0%} of the entities in one half of the docs recur in the other. So most "
            f"will be found, and the most probable tag sequence is the best choice."
        )
    else:
        threshold = next(value for most, value in THRESHOLDS if found.n_sentences <= most)
        why = "F1 is best with a threshold of about half of F1, which is lower with less data."
    option = f" --component {recognizer.name}" if recognizer.where.may_overlap else ""
    why += f" Later, `bilstm-crf calibrate --best-f{option}` sets the best on your dev data."
    yield Choice(recognizer.path("threshold"), threshold, why)
    if found.n_missing and not found.n_outside and not recognizer.where.may_overlap:
        yield Choice(
            recognizer.path("entity_ratio"),
            {"rate": round(found.n_inside / found.n_tokens, 4), "margin": 0.05, "weight": 10.0},
            "No token is known to be outside of entities, so this sets how many to expect: the "
            "share of tokens in annotated entities. Raise it if many are not annotated.",
        )


def configured(base: Config, chosen: Sequence[Choice]) -> Config:
    """Return a config with the chosen settings. A chosen block replaces the old one."""
    config = base.copy()
    for choice in chosen:
        set_dot_to_object(config, choice.path, choice.value)
    return config


def with_comments(config: str, head: Sequence[str], chosen: Sequence[Choice]) -> str:
    """Return a config's text with comments at its head and the reason above each chosen setting."""
    whys = {choice.path: choice.why for choice in chosen}
    lines = [line for text in head for line in _comment(text)]
    section = ""
    for line in config.splitlines():
        if line.startswith("["):
            section = path = line.strip("[]")  # a choice may be a whole block
        else:
            path = f"{section}.{line.split(' = ')[0]}"
        lines += [*_comment(whys.get(path, "")), line]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, COMMENT_WIDTH, initial_indent="# ", subsequent_indent="# ")
