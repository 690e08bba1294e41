"""From what a corpus holds to the settings of a training, each with its reason."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import spacy
from thinc.api import Config

from ...data.statistics import Survey
from .gazetteer import GAZETTEER

COMMENT_WIDTH = 96
N_EVALUATIONS = 20
LOOKUP_TABLES = ["lexeme_prob", "lexeme_cluster"]
LOOKUP_ATTRS = ["PROB", "LOWER_PROB", "TITLE_PROB", "UPPER_PROB", "CLUSTER"]


class Length(NamedTuple):
    """How long to train: twice as many steps for four times the sentences."""

    steps_for_1000: int
    least_steps: int
    most_steps: int
    sentences_a_batch: int

    def steps(self, n_sentences: int) -> int:
        """Steps for so many sentences, in hundreds."""
        steps = round(self.steps_for_1000 * (n_sentences / 1000) ** 0.5, -2)
        return int(min(max(steps, self.least_steps), self.most_steps))


# benchmarks/data_size has what this costs against 21,000 steps for any data
BILSTM_LENGTH = Length(4000, least_steps=1000, most_steps=21000, sentences_a_batch=20)
TRANSFORMER_LENGTH = Length(1000, least_steps=500, most_steps=20000, sentences_a_batch=32)
# From this share of entities on that recur, F1 is near 1 and the best tag sequence is best: on dev
# F 92.5 against 91.9 (sec-filings, a share of 0.8). The other sets have shares up to 0.54.
RECURRING = 2 / 3
# Otherwise, up to so many sentences, the threshold
THRESHOLDS = ((2000, 0.3), (10000, 0.4), (float("inf"), 0.5))


class Choice(NamedTuple):
    """A setting, by its path in the config, and why it has this value."""

    path: str
    value: Any
    why: str = ""


class Sources(NamedTuple):
    """What there is to learn from beside the annotation, and where."""

    vectors: str | None = None
    lookups: bool = False
    patterns: str | None = None
    transformer: str | None = None
    gpu: bool = False


# What suits any data. The rest is spaCy's default, or the component's.
TRAINING: dict[str, Any] = {
    "training.dropout": 0.4,
    "training.max_epochs": 0,
    # The step size falls to 0 at the end: the best model is often among the last
    "training.patience": 0,
    "training.batcher": {
        "@batchers": "spacy.batch_by_words.v1",
        "tolerance": 0.2,
        "discard_oversize": False,
        "get_length": None,
    },
    "training.optimizer": {
        "@optimizers": "spacy-bilstm-crf.SGD.v1",
        "momentum": 0.9,
        "grad_clip": 5.0,
        "L2": 0.0,
        "use_averages": True,
        "learn_rate": {
            "@schedules": "warmup_linear.v1",
            "warmup_steps": 0,
            "initial_rate": 0.03,
        },
    },
    "training.logger": {
        "@loggers": "spacy.ConsoleLogger.v3",
        "progress_bar": "eval",
        "console_output": True,
        "output_file": None,
    },
}
# Devlin et al. (2019) fine-tune with 2e-5 to 5e-5 (appendix A.3) and pre-train with 1e-4; the
# layers above take larger steps
TRANSFORMER_TRAINING: dict[str, Any] = {
    **TRAINING,
    "nlp.batch_size": 128,
    "training.dropout": 0.1,
    "training.optimizer": {
        "@optimizers": "Adam.v1",
        "beta1": 0.9,
        "beta2": 0.999,
        "L2_is_weight_decay": True,
        "L2": 0.01,
        "grad_clip": 1.0,
        "use_averages": False,
        "eps": 1e-8,
        "learn_rate": {
            "@schedules": "warmup_linear.v1",
            "warmup_steps": 200,
            "initial_rate": 0.0001,
        },
    },
}
TRANSFORMER_LISTENER = {
    "hidden_width": 200,
    "dropout": 0.5,
    "locked_dropout": True,
    "learn_rate_factor": 20.0,
    "tok2vec": {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "pooling": {"@layers": "reduce_mean.v1"},
        "upstream": "*",
    },
}


def base_config(lang: str, sources: Sources) -> Config:
    """A complete config, but for what depends on the data."""
    nlp = spacy.blank(lang)
    if sources.transformer is None:
        if sources.patterns is not None:
            settings = {"spans_key": GAZETTEER, "scorer": None}
            nlp.add_pipe("span_ruler", name=GAZETTEER, config=settings)
        nlp.add_pipe("bilstm_crf_ner", name="ner")
        return configured(nlp.config, [Choice(*item) for item in TRAINING.items()])
    model = {"name": sources.transformer, "mixed_precision": sources.gpu}
    nlp.add_pipe("transformer", config={"model": model})
    nlp.add_pipe("bilstm_crf_ner", name="ner", config={"model": TRANSFORMER_LISTENER})
    return configured(nlp.config, [Choice(*item) for item in TRANSFORMER_TRAINING.items()])


def choices(found: Survey, sources: Sources, vectors_coverage: float, lang: str) -> list[Choice]:
    """The settings that depend on the data or on what there is beside them."""
    chosen = [*_length(found, sources), *_decoding(found)]
    if sources.vectors is not None:
        why = f"{vectors_coverage:.0%} of the training data's tokens have a vector in it."
        chosen.append(Choice("paths.vectors", sources.vectors, why))
    if sources.lookups:
        loader = {"@misc": "spacy.LookupsDataLoader.v1", "lang": lang, "tables": LOOKUP_TABLES}
        chosen.append(Choice("initialize.lookups", loader))
        why = "What the lookups tables say of a word: its log-probability and Brown cluster."
        chosen.append(Choice("components.ner.model.tok2vec.attrs", LOOKUP_ATTRS, why))
    if sources.patterns is not None:
        chosen += _lists(sources.patterns)
    if sources.gpu:
        chosen.append(Choice("system.gpu_allocator", "pytorch", "One pool of GPU memory for all."))
    return chosen


def _lists(patterns: str) -> Iterator[Choice]:
    reader = {"@readers": "spacy-bilstm-crf.Patterns.v1", "path": "${paths.patterns}"}
    yield Choice("paths.patterns", patterns)
    yield Choice("initialize.components", {GAZETTEER: {"patterns": reader}})
    why = "The lists annotate the training data too."
    yield Choice("training.annotating_components", [GAZETTEER], why)
    why = "What the lists say of a token; how many of their spans training overlooks is below."
    yield Choice("components.ner.model.tok2vec.span_features", [GAZETTEER], why)
    weights = {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None}
    of_lists = {f"spans_ruler_{score}": None for score in ("f", "p", "r", "per_type")}
    yield Choice("training.score_weights", {**weights, **of_lists})


def _length(found: Survey, sources: Sources) -> Iterator[Choice]:
    length = TRANSFORMER_LENGTH if sources.transformer else BILSTM_LENGTH
    steps = length.steps(found.n_sentences)
    epochs = steps * length.sentences_a_batch / found.n_sentences
    yield Choice(
        "training.max_steps",
        steps,
        f"About {epochs:.0f} times over {found.n_sentences:,} sentences. For four times the data "
        f"twice as many steps, from {length.least_steps:,} up to {length.most_steps:,}.",
    )
    # A number again, for `nlp.resume_training` does not resolve a ${variable} here
    yield Choice("training.optimizer.learn_rate.total_steps", steps, "The same as max_steps.")
    yield Choice(
        "training.eval_frequency",
        max(1, steps // N_EVALUATIONS),
        f"{N_EVALUATIONS} evaluations; the best of these models is kept.",
    )
    words = found.n_tokens / found.n_sentences
    yield Choice(
        "training.batcher.size",
        max(1, round(length.sentences_a_batch * words)),
        f"Words: {length.sentences_a_batch} sentences of {words:.1f}.",
    )


def _decoding(found: Survey) -> Iterator[Choice]:
    recurring = found.n_recurring / found.n_entities
    if recurring >= RECURRING:
        threshold = None
        why = (
            f"{recurring:.0%} of the entities of either half of the docs are in the other too. So "
            f"most will be found, and the most probable tag sequence is the best choice."
        )
    else:
        threshold = next(value for most, value in THRESHOLDS if found.n_sentences <= most)
        why = "F1 is best at about half of what it comes to, which is less with less data."
    why += " After the training, `python -m spacy find-threshold` finds the best on your dev data."
    yield Choice("components.ner.threshold", threshold, why)
    if found.n_missing and not found.n_outside:
        yield Choice(
            "components.ner.entity_ratio",
            {"rate": round(found.n_inside / found.n_tokens, 4), "margin": 0.05, "weight": 10.0},
            "No token is known to be outside of entities, so this says how many to expect: the "
            "share of tokens in those that are annotated. Raise it if many are not.",
        )


def configured(base: Config, chosen: Sequence[Choice]) -> Config:
    """The config with the choices in it; a block that is chosen takes the place of the old."""
    config = base.copy()
    for choice in chosen:
        *sections, key = choice.path.split(".")
        section: dict[str, Any] = config
        for name in sections:
            section = section[name]
        section[key] = choice.value
    return config


def with_comments(config: str, head: Sequence[str], chosen: Sequence[Choice]) -> str:
    """The text of a config with lines at its head, and each choice's reason above its setting."""
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
