"""What is odd about the data, each with what to do about it."""

from collections.abc import Sequence

from spacy.language import Language
from spacy.tokens import Doc

from ...common.errors import UserError
from ...data.corpus import misaligned_entities, unannotated
from ...data.entity_source import EntitySource
from ...data.statistics import Survey, n_shared

FEW_ENTITIES = 20  # too few of a label to learn much from
NEARLY_ALL = 0.9  # of the entities: with so many off the tokens, the tokenizer is a wrong one
AUDIT = "`bilstm-crf audit CONFIG TRAIN --folds 0 --output DIR`"


def train_warnings(found: Survey, where: EntitySource) -> list[str]:
    """Warn of what is odd about the training data.

    Args:
        found: What they have.
        where: Where they have their entities.
    """
    warnings = []
    if found.n_missing and where.may_overlap:
        share = found.n_missing / found.n_tokens
        warnings.append(
            f"{share:.0%} of the tokens are in docs without {where}, which are not trained on. If "
            f"these have no entities, give them an empty group."
        )
    elif found.n_missing:
        share = found.n_missing / found.n_tokens
        warnings.append(
            f"{share:.0%} of the tokens have no annotation. The others are still trained on. If "
            f"these are not in an entity, convert the data again with --unannotated outside."
        )
    if found.n_missing and not found.n_outside and not where.may_overlap:
        warnings.append(
            "No token is known to be outside of entities: see [components.ner.entity_ratio] in the "
            "config, which sets how many to expect."
        )
    rare = [label for label, count in found.n_of_label.items() if count < FEW_ENTITIES]
    if rare:
        warnings.append(
            f"Fewer than {FEW_ENTITIES} entities to learn from: {', '.join(rare)}. Annotate more, "
            f"such as texts that `bilstm-crf select` chooses, or merge labels."
        )
    if found.n_repeated:
        warnings.append(_repeated(found))
    return warnings


def _repeated(found: Survey) -> str:
    said = f"{found.n_repeated:,} training docs repeat the words of an earlier one."
    if found.n_copies:
        said += f" --write-clean DIR leaves out the {found.n_copies:,} that are exact copies."
    n_differing = found.n_repeated - found.n_copies
    if n_differing:
        said += f" {n_differing:,} of them are annotated differently: {AUDIT} lists them."
    return said


def dev_warnings(
    train: Sequence[Doc], dev: Sequence[Doc], found: Survey, in_dev: Survey, where: EntitySource
) -> list[str]:
    """Warn of what is odd about the development data, compared with the training data.

    Args:
        train: The training data.
        dev: The development data.
        found: What the training data have.
        in_dev: What the development data have.
        where: Where both have their entities.
    """
    warnings = []
    shared = n_shared(dev, train)
    if shared:
        warnings.append(
            f"{shared:,} of the {len(dev):,} development docs are also in the training data: their "
            f"scores say nothing about new text. --write-clean DIR writes training data without "
            f"them."
        )
    unknown = [label for label in in_dev.n_of_label if label not in found.n_of_label]
    if unknown:
        warnings.append(
            f"Labels only in the development data, so never found: {', '.join(unknown)}. Move docs "
            f"with them to the training data, or remove these entities."
        )
    if in_dev.n_missing and where.may_overlap:
        share = in_dev.n_missing / in_dev.n_tokens
        warnings.append(
            f"{share:.0%} of the development tokens are in docs without {where}: nothing is scored "
            f"there. If these have no entities, give them an empty group."
        )
    elif in_dev.n_missing:
        share = in_dev.n_missing / in_dev.n_tokens
        warnings.append(
            f"{share:.0%} of the development tokens have no annotation: entities found there count "
            f"neither for nor against the model. Annotate the docs in full, if you can."
        )
    return warnings


def misalignment_warnings(
    nlp: Language, name: str, docs: Sequence[Doc], where: EntitySource
) -> list[str]:
    """Warn of entities that are not made of tokens: training ignores them.

    Args:
        nlp: Has the tokenizer of the training.
        name: What the docs are called in the warning.
        docs: The annotated docs.
        where: Where they have their entities.

    Raises:
        UserError: If these are nearly all entities.
    """
    found = [(i, ent) for i, doc in enumerate(docs) for ent in _misaligned(nlp, doc, where)]
    if not found:
        return []
    n_entities = sum(len(where.entities(doc)) for doc in docs)
    i, first = found[0]
    said = (
        f"{len(found):,} of the {n_entities:,} entities of the {name} data don't begin and end "
        f"where tokens of the language '{nlp.lang}' do, such as {first.text!r:.80} "
        f"({first.label_}) in doc {i}."
    )
    if len(found) >= NEARLY_ALL * n_entities:
        raise UserError(f"{said} They can't be learned: name the language of the data with --lang.")
    return [
        f"{said} They are not learned. If another --lang does not help, {AUDIT} lists them to be "
        f"corrected."
    ]


def _misaligned(nlp: Language, doc: Doc, where: EntitySource) -> list:
    if not where.entities(doc):
        return []
    return misaligned_entities(unannotated(nlp, doc), doc, where)
