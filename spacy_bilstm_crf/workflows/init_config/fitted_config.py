"""Look at annotated data, and choose the settings of a training config."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import spacy
from spacy.language import Language
from spacy.lookups import load_lookups
from spacy.tokens import Doc
from thinc.api import Config

from ...common.config_names import config_text
from ...common.errors import UserError, check_installed
from ...common.files import write_whole
from ...data.corpus import Data, check_annotated, read_annotated, read_docs
from ...data.formats.docs import blank
from ...data.formats.settings import DocSettings
from ...data.statistics import Survey, likely_language, survey, vectors_coverage
from .clean import clean_docs, clean_path, write_docs
from .gazetteer import gazetteer_fact
from .oddities import dev_warnings, misalignment_warnings, train_warnings
from .recipe import (
    LOOKUP_TABLES,
    Choice,
    Sources,
    base_config,
    choices,
    configured,
    n_levels,
    with_comments,
)
from .recognizer import Recognizer, chosen_recognizer
from .vectors import is_shipped, load_vectors, save_shipped

LITTLE_COVERAGE = 0.5


class FittedConfig(NamedTuple):
    """A training config that fits the data, with facts and warnings about them.

    Attributes:
        text: The config. Comments at its head state the facts and warnings, and one above each
            chosen setting states its reason.
        facts: Sentences about the data.
        warnings: Sentences about what is odd in the data, and what to do about it.
        choices: The chosen settings by their paths in the config, with their reasons.
    """

    text: str
    facts: list[str]
    warnings: list[str]
    choices: list[Choice]

    def to_disk(self, path: str | Path) -> None:
        """Write the config with its comments to a file."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(Path(path), self.text)


def init_config(
    train: Data,
    *,
    dev: Data | None = None,
    lang: str | None = None,
    vectors: str | Path | None = None,
    lookups: bool = False,
    transformer: str | None = None,
    patterns: str | Path | None = None,
    gpu: bool = False,
    overlapping: bool | None = None,
    spans_key: str | None = None,
    incorrect_spans_key: str | None = None,
    write_clean: str | Path | None = None,
) -> FittedConfig:
    """Make a complete training config that fits the data.

    Args:
        train: Training data: a `.spacy` file, a folder of them, or docs. Paths are written into the
            config; for docs, `paths.train` has to be set for training.
        dev: Development data, to choose the best model by.
        lang: Language code. Default: that of the vectors, or else detected from stop words in the
            data.
        vectors: Pipeline with word vectors: a folder or an installed package. Or `"glove"`, those
            of 20,000 English words that come with this package: they are saved to the folder
            `glove`.
        lookups: Whether to embed words' probabilities and Brown clusters, of spacy-lookups-data.
        transformer: Fine-tune this transformer: a name on the Hugging Face hub or a folder.
        patterns: Lists of names, as a JSONL file of patterns of spaCy's `span_ruler`.
        gpu: Whether the config is for a training on a GPU.
        overlapping: Whether the component is to be `bilstm_crf_spans`, which learns entities that
            may overlap from `doc.spans`. Default: if the training data have such entities there, or
            none in `doc.ents`.
        spans_key: Key in `doc.spans` of these entities. Default: "sc", as for `spancat`.
        incorrect_spans_key: Key in `doc.spans` of rejected spans, which the model learns not to
            find. Default: "incorrect_spans", where `convert` puts them, if there are any.
        write_clean: A folder to write `train.spacy` to: the training data without exact copies and
            without docs that are also in the development data. The config reads this file.

    Returns:
        The config, with facts and warnings about the data.

    Raises:
        UserError: If the data can't be trained on, or a source can't be used.
    """
    sources = Sources(
        vectors=vectors, lookups=lookups, patterns=patterns, transformer=transformer, gpu=gpu
    )
    _check(sources)
    facts = [save_shipped(str(vectors))] if is_shipped(vectors) else []
    pretrained = None if vectors is None else load_vectors(vectors)
    vocab = spacy.blank("xx").vocab if pretrained is None else pretrained.vocab
    train_docs = read_docs(train, vocab)
    recognizer, why = chosen_recognizer(train_docs, overlapping, spans_key)
    where = recognizer.where
    facts += why
    check_annotated(train_docs, train, where)
    dev_docs = [] if dev is None else read_annotated(dev, vocab, where)
    clean = None if write_clean is None else clean_path(write_clean, (train, dev))
    if clean is not None:
        train, (train_docs, fact) = clean, clean_docs(train_docs, dev_docs, where)
        facts.append(fact)
    language, language_fact = _language(lang, pretrained, train_docs)
    nlp = blank(language)  # or it can't be used
    if lookups:
        _check_lookups(language)
    found = survey(train_docs, where)
    facts += [language_fact, *_facts("Training data", train, found), *_overlaps(found, recognizer)]
    warnings = misalignment_warnings(nlp, "training", train_docs, where)
    warnings += train_warnings(found, where)
    if dev is not None:
        in_dev = survey(dev_docs, where)
        facts += _facts("Development data", dev, in_dev)
        warnings += misalignment_warnings(nlp, "development", dev_docs, where)
        warnings += dev_warnings(train_docs, dev_docs, found, in_dev, where)
    if patterns is not None:
        facts.append(gazetteer_fact(patterns, train_docs, where))
    coverage = 0.0
    if pretrained is not None:
        coverage = _coverage(pretrained, sources, train_docs)
        facts.append(f"{vectors}: {coverage:.0%} of the training data's tokens have a vector.")
        warnings += _coverage_warnings(coverage)
    chosen = [*_paths(train, dev)]
    chosen += choices(found, sources, recognizer, coverage, language)
    rejected = _rejected_spans(incorrect_spans_key, train_docs, recognizer)
    facts += [choice.why for choice in rejected]
    chosen += rejected
    config = configured(base_config(language, sources, recognizer), chosen)
    if clean is not None:
        write_docs(clean, train_docs)
    return _fitted(config, facts, warnings, chosen)


def _fitted(
    config: Config, facts: list[str], warnings: list[str], chosen: list[Choice]
) -> FittedConfig:
    head = ["Made by `python -m spacy bilstm-crf init-config`.", *facts, *warnings]
    return FittedConfig(with_comments(config_text(config), head, chosen), facts, warnings, chosen)


def _paths(train: Data, dev: Data | None) -> Iterator[Choice]:
    for name, data in (("train", train), ("dev", dev)):
        if isinstance(data, str | Path):
            yield Choice(f"paths.{name}", str(data))


def _check(sources: Sources) -> None:
    if sources.transformer is None:
        return
    for name in ("vectors", "lookups", "patterns"):
        if getattr(sources, name):
            raise UserError(
                f"--transformer and --{name} can't be combined: the transformer replaces the layer "
                f"that reads them. Leave one out."
            )
    check_installed("transformers", "spacy_transformers")


def _language(lang: str | None, pretrained: Language | None, docs: list[Doc]) -> tuple[str, str]:
    """Choose the language, and say why."""
    if lang is not None:
        return lang, f"Language: {lang}."
    if pretrained is not None and pretrained.lang is not None:
        return pretrained.lang, f"Language: {pretrained.lang}, that of the vectors."
    found = likely_language(docs)
    if found is not None:
        return found, f"Language: {found}, detected from stop words. Set another with --lang."
    return "xx", "Language: xx (any), since stop words don't reveal it. Set it with --lang."


def _check_lookups(language: str) -> None:
    check_installed("lookups", "spacy_lookups_data")
    try:
        load_lookups(language, LOOKUP_TABLES)
    except ValueError as error:  # spaCy's E955
        raise UserError(
            f"spacy-lookups-data has no tables {' and '.join(LOOKUP_TABLES)} for '{language}': "
            f"leave --lookups out."
        ) from error


def _coverage(pretrained: Language, sources: Sources, docs: list[Doc]) -> float:
    coverage = vectors_coverage(docs, pretrained.vocab)
    if not coverage:
        raise UserError(
            f"No word of the training data has a vector in {sources.vectors}: are the vectors for "
            f"this language? Name others, or leave --vectors out."
        )
    return coverage


def _coverage_warnings(coverage: float) -> list[str]:
    if coverage >= LITTLE_COVERAGE:
        return []
    return [
        f"Only {coverage:.0%} of the tokens have a vector. Are the vectors for this language? If "
        f"they are lower-cased, were they made with `spacy init vectors --attr LOWER`?"
    ]


def _rejected_spans(key: str | None, docs: list[Doc], recognizer: Recognizer) -> list[Choice]:
    """Choose the key of rejected spans, if there are any.

    Raises:
        UserError: If there are none under the key that was asked for, or they are the entities.
    """
    name = DocSettings().incorrect_spans_key if key is None else key
    if name == recognizer.where.spans_key:
        raise UserError(
            f"The rejected spans and the entities are both in doc.spans[{name!r}]. Name other "
            f"spans with --spans-key or --incorrect-spans-key."
        )
    n_spans = sum(len(doc.spans.get(name, ())) for doc in docs)
    if key is not None and not n_spans:
        known = ", ".join(sorted({other for doc in docs for other in doc.spans})) or "nothing"
        raise UserError(
            f"--incorrect-spans-key {key}: the training data have no spans there. doc.spans has: "
            f"{known}."
        )
    if not n_spans:
        return []
    why = f"{n_spans:,} rejected spans in doc.spans[{name!r}]: the model learns not to find them."
    return [Choice(recognizer.path("incorrect_spans_key"), name, why)]


def _overlaps(found: Survey, recognizer: Recognizer) -> list[str]:
    if not recognizer.where.may_overlap:
        return []
    said = f"Training data: {found.n_overlapping:,} entities overlap another one, "
    said += f"{found.n_in_same_label:,} one of the same label."
    n_lost = sum(n for level, n in found.n_of_level.items() if level > n_levels(found))
    if n_lost:
        said += f" Not learned: {n_lost:,} of these, which are within or across longer ones."
    return [said]


def _facts(name: str, data: Data, found: Survey) -> list[str]:
    source = f"{name}, {data}" if isinstance(data, str | Path) else name
    if found.n_sentences == found.n_docs:
        shape = f"{found.n_docs:,} docs, each of them counted as one sentence"
    else:
        shape = f"{found.n_docs:,} docs with {found.n_sentences:,} sentences"
    labels = ", ".join(f"{label} {count:,}" for label, count in found.n_of_label.items())
    return [
        f"{source}: {shape}, {found.n_tokens:,} tokens. The longest doc has {found.n_longest:,}.",
        f"{name}: {found.n_entities:,} entities ({labels}).",
    ]
