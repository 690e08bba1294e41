"""The training process of a recommender for INCEpTION: see `live_model.training`."""

from pathlib import Path

import srsly
from spacy.language import Language

from ...data.formats import DocSettings, Findings, FormatSettings
from ...data.formats.docs import docs_of
from ..live_model.training import AnnotatedItems, run_training
from .sentences import record_of
from .settings import INCEPTION

SENTENCES_FILE = "sentences.json"


def read_sentences(nlp: Language, folder: Path) -> AnnotatedItems:
    """Read the sentences that a training is to learn from.

    INCEpTION does not say which labels a project has. Those that nobody has used are taken as not
    annotated.

    Args:
        nlp: The pipeline to train further.
        folder: The folder of the training.
    """
    records = [record_of(value) for value in srsly.read_json(folder / SENTENCES_FILE)]
    used = {mention.label for one in records for mention in (*one.entities, *one.disputed)}
    findings = Findings()
    # Blanks at the edges are cut off; what else does not fit is taken as not annotated
    settings = FormatSettings(nlp.lang or "xx", docs=DocSettings(on_problem="trim"))
    docs = list(docs_of(records, settings, findings))
    return AnnotatedItems(docs, findings.problems, lambda label: label in used)


if __name__ == "__main__":
    run_training(INCEPTION, read_sentences)
