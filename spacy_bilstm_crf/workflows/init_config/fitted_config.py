"""Look at annotated data, and choose the settings of a training config."""

from pathlib import Path
from typing import NamedTuple

import spacy
from spacy.language import Language
from spacy.lookups import load_lookups
from spacy.tokens import Doc

from ...common.errors import UserError, check_installed
from ...common.files import write_whole
from ...data.corpus import Data, read_annotated
from ...data.formats.docs import blank
from ...data.statistics import Survey, likely_language, n_shared, survey, vectors_coverage
from .gazetteer import gazetteer_fact
from .recipe import LOOKUP_TABLES, Choice, Sources, base_config, choices, configured, with_comments
from .vectors import is_shipped, load_vectors, save_shipped

FEW_ENTITIES = 20  # too few of a label to learn much from
LITTLE_COVERAGE = 0.5


class FittedConfig(NamedTuple):
    """A training config that fits the data, with facts and warnings about them.

    Attributes:
        text: The config. Comments at its head state the facts and warnings, and one above each
            chosen setting states its reason.
        facts: Sentences about the data.
        warnings: Sentences about what is odd in the data.
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
    train_docs = read_annotated(train, vocab)
    language, language_fact = _language(lang, pretrained, train_docs)
    blank(language)  # or it can't be used
    if lookups:
        _check_lookups(language)
    found = survey(train_docs)
    facts += [language_fact, *_facts("Training data", train, found)]
    warnings = _warnings(found)
    if dev is not None:
        dev_docs = read_annotated(dev, vocab)
        found_in_dev = survey(dev_docs)
        facts += _facts("Development data", dev, found_in_dev)
        warnings += _dev_warnings(train_docs, dev_docs, found, found_in_dev)
    if patterns is not None:
        facts.append(gazetteer_fact(patterns, train_docs))
    coverage = 0.0
    if pretrained is not None:
        coverage = _coverage(pretrained, sources, train_docs)
        facts.append(f"{vectors}: {coverage:.0%} of the training data's tokens have a vector.")
        if coverage < LITTLE_COVERAGE:
            warnings.append(
                f"Only {coverage:.0%} of the tokens have a vector. Are the vectors for this "
                f"language? If they are lower-cased, were they made with `spacy init vectors "
                f"--attr LOWER`?"
            )
    chosen = [
        Choice(f"paths.{name}", str(data))
        for name, data in (("train", train), ("dev", dev))
        if isinstance(data, str | Path)
    ]
    chosen += choices(found, sources, coverage, language)
    config = configured(base_config(language, sources), chosen)
    head = ["Made by `python -m spacy bilstm-crf init-config`.", *facts, *warnings]
    return FittedConfig(with_comments(config.to_str(), head, chosen), facts, warnings, chosen)


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


def _warnings(found: Survey) -> list[str]:
    warnings = []
    if found.n_missing:
        share = found.n_missing / found.n_tokens
        warnings.append(
            f"{share:.0%} of the tokens have no annotation. The others are still trained on."
        )
    if found.n_missing and not found.n_outside:
        warnings.append(
            "No token is known to be outside of entities: see [components.ner.entity_ratio] in the "
            "config, which sets how many to expect."
        )
    rare = [label for label, count in found.n_of_label.items() if count < FEW_ENTITIES]
    if rare:
        warnings.append(f"Fewer than {FEW_ENTITIES} entities to learn from: {', '.join(rare)}.")
    if found.n_repeated:
        warnings.append(f"{found.n_repeated:,} training docs repeat the words of an earlier one.")
    return warnings


def _dev_warnings(train: list[Doc], dev: list[Doc], found: Survey, in_dev: Survey) -> list[str]:
    warnings = []
    shared = n_shared(dev, train)
    if shared:
        warnings.append(
            f"{shared:,} of the {len(dev):,} development docs are also in the training data: their "
            f"scores say nothing about new text. Remove them."
        )
    unknown = [label for label in in_dev.n_of_label if label not in found.n_of_label]
    if unknown:
        warnings.append(
            f"Labels only in the development data, so never found: {', '.join(unknown)}."
        )
    if in_dev.n_missing:
        share = in_dev.n_missing / in_dev.n_tokens
        warnings.append(
            f"{share:.0%} of the development tokens have no annotation: entities found there count "
            f"neither for nor against the model."
        )
    return warnings
