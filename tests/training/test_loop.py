"""The one place that calls spaCy's training."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from thinc.api import Config

from spacy_bilstm_crf.training.configs import filled_config
from spacy_bilstm_crf.training.loop import train_pipeline

STOCK = """
[nlp]
lang = "en"
pipeline = ["ner"]

[components]

[components.ner]
factory = "ner"

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = "{data}"

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = "{data}"

[initialize]

[initialize.components]

[initialize.components.ner]
labels = {labels}
"""
LABELS = '{"0": {}, "1": {"LOC": 1}, "2": {"LOC": 1}, "3": {"LOC": 1}, "4": {"LOC": 1}, "5": {}}'


def test_data_that_a_component_of_spacy_can_not_be_made_for_are_no_assertion(tmp_path):
    DocBin(docs=[Doc(spacy.blank("en").vocab)]).to_disk(tmp_path / "docs.spacy")
    text = STOCK.format(data=tmp_path / "docs.spacy", labels=LABELS)
    with pytest.raises(ValueError, match="E923"):
        train_pipeline(filled_config(Config().from_str(text)), verbose=False)
