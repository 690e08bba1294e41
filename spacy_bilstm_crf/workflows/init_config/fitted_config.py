"""From the paths of a corpus to the text of a config that fits it, and what there is to say."""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import spacy
from spacy import util
from spacy.language import Language
from spacy.lookups import load_lookups
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ...common.errors import UserError
from ...data.corpus import read_annotated
from ...data.statistics import Survey, likely_language, n_shared, survey
from ...pipeline.coverage import vectors_coverage
from .gazetteer import facts_of_lists
from .recipe import LOOKUP_TABLES, Choice, Sources, base_config, choices, configured, with_comments

FEW_ENTITIES = 20  # of a label, so that little can be learned of it
LITTLE_COVERAGE = 0.5


class FittedConfig(NamedTuple):
    """A config, and what is to be said of the data that it was made for."""

    text: str
    facts: list[str]
    warnings: list[str]


def fitted_config(
    train_path: Path, dev_path: Path | None, lang: str | None, sources: Sources
) -> FittedConfig:
    """Look at the data, and choose settings.

    Raises:
        UserError: If what was given can't be trained on, saying what to do.
    """
    _check(sources)
    pretrained = _load(sources.vectors) if sources.vectors is not None else None
    vocab = pretrained.vocab if pretrained is not None else spacy.blank("xx").vocab
    train = read_annotated(train_path, vocab)
    dev = read_annotated(dev_path, vocab) if dev_path is not None else []
    language, language_fact = _language(lang, pretrained, train)
    _check_language(language)
    if sources.lookups:
        _check_lookups(language)
    found = survey(train)
    facts = [language_fact, *_facts("Training", train_path, found)]
    warnings = _warnings(found)
    if dev_path is not None:
        seen_dev = survey(dev)
        facts += _facts("Development", dev_path, seen_dev)
        warnings += _dev_warnings(train, dev, found, seen_dev)
    if sources.patterns is not None:
        facts.append(facts_of_lists(sources.patterns, train))
    share = 0.0
    if sources.vectors is not None:
        share = _coverage(sources.vectors, train, vocab)
        facts.append(f"{sources.vectors}: {share:.0%} of the training data's tokens have a vector.")
        if share < LITTLE_COVERAGE:
            warnings.append(
                f"Only {share:.0%} of the tokens have a vector: were the vectors made for this "
                f"language, and with `spacy init vectors --attr LOWER` if they are lower-cased?"
            )
    chosen = choices(found, sources, share, language)
    config = configured(base_config(language, sources), [*_paths(train_path, dev_path), *chosen])
    head = ["Made by `python -m spacy bilstm-crf init-config`.", *facts, *warnings]
    return FittedConfig(with_comments(config.to_str(), head, chosen), facts, warnings)


def _paths(train_path: Path, dev_path: Path | None) -> list[Choice]:
    found = [Choice("paths.train", str(train_path))]
    return [*found, Choice("paths.dev", str(dev_path))] if dev_path is not None else found


def _check(sources: Sources) -> None:
    if sources.transformer is None:
        return
    for what, given in (
        ("vectors", sources.vectors),
        ("lookups", sources.lookups),
        ("patterns", sources.patterns),
    ):
        if given:
            raise UserError(
                f"--transformer and --{what} don't go together: the transformer takes the place of "
                f"the layer that reads them. Leave one out."
            )
    if find_spec("spacy_transformers") is None:
        raise UserError(
            "--transformer needs spacy-transformers, which is not installed: "
            'pip install "spacy-bilstm-crf[transformers]"'
        )


def _load(vectors: str) -> Language:
    try:
        nlp = util.load_model(vectors)
    except OSError as error:
        raise UserError(
            f"There are no vectors {vectors}. Name a folder that `spacy init vectors` made, or an "
            f"installed pipeline with vectors."
        ) from error
    if not nlp.vocab.vectors_length:
        raise UserError(
            f"The pipeline {vectors} has no word vectors. Name one that `spacy init vectors` made."
        )
    return nlp


def _check_language(language: str) -> None:
    try:
        spacy.blank(language)
    except ImportError as error:  # spaCy's E048, or what the language's tokenizer needs is missing
        reason = str(error).splitlines()[0]
        raise UserError(f"--lang {language} can't be used: {reason}") from error


def _language(lang: str | None, pretrained: Language | None, train: list[Doc]) -> tuple:
    if lang is not None:
        return lang, f"Language: {lang}."
    if pretrained is not None:
        return pretrained.lang, f"Language: {pretrained.lang}, that of the vectors."
    found = likely_language(train)
    if found is not None:
        return found, f"Language: {found}, by the data's stop words; --lang names another."
    return "xx", "Language: xx, any; the data's stop words say none. --lang names it."


def _check_lookups(language: str) -> None:
    if find_spec("spacy_lookups_data") is None:
        raise UserError(
            "--lookups needs spacy-lookups-data, which is not installed: "
            'pip install "spacy-bilstm-crf[lookups]"'
        )
    try:
        load_lookups(language, LOOKUP_TABLES)
    except ValueError as error:  # spaCy's E955
        raise UserError(
            f"spacy-lookups-data has no tables {' and '.join(LOOKUP_TABLES)} for '{language}': "
            f"leave --lookups out."
        ) from error


def _coverage(vectors: str, train: list[Doc], vocab: Vocab) -> float:
    share = vectors_coverage(train, vocab)
    if not share:
        raise UserError(
            f"No word of the training data has a vector in {vectors}: are the vectors for this "
            f"language? Name others, or leave --vectors out."
        )
    return share


def _facts(name: str, path: Path, found: Survey) -> list[str]:
    if found.n_sentences == found.n_docs:
        shape = f"{found.n_docs:,} docs, each of them counted as one sentence"
    else:
        shape = f"{found.n_docs:,} docs with {found.n_sentences:,} sentences"
    labels = ", ".join(f"{label} {count:,}" for label, count in found.n_of_label.items())
    return [
        f"{name} data, {path}: {shape}, {found.n_tokens:,} tokens, the longest doc "
        f"{found.n_longest:,}.",
        f"{name} data: {found.n_entities:,} entities ({labels}).",
    ]


def _warnings(found: Survey) -> list[str]:
    warnings = []
    if found.n_missing:
        share = found.n_missing / found.n_tokens
        warnings.append(
            f"{share:.0%} of the tokens have no annotation. Nothing is learned from them; what is "
            f"known of the others is used."
        )
    if found.n_missing and not found.n_outside:
        warnings.append(
            "No token is known to be outside of entities: see [components.ner.entity_ratio] in "
            "the config, which says how many entities to expect."
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
            f"{shared:,} of the {len(dev):,} development docs are in the training data too: scores "
            f"on them say nothing about new text. Take them out."
        )
    unknown = [label for label in in_dev.n_of_label if label not in found.n_of_label]
    if unknown:
        warnings.append(f"Only in the development data, so never found: {', '.join(unknown)}.")
    if in_dev.n_missing:
        share = in_dev.n_missing / in_dev.n_tokens
        warnings.append(
            f"{share:.0%} of the development tokens have no annotation: what is found there counts "
            f"neither for nor against the model."
        )
    return warnings
