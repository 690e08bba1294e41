"""The package where torch is not installed: what needs no network works."""

import subprocess
import sys

CODE = """
import sys

sys.modules["torch"] = None  # importing it fails from here on

import numpy as np

import spacy_bilstm_crf
import spacy_bilstm_crf.pipeline.factory
from spacy_bilstm_crf import crf, decoding
from spacy_bilstm_crf.calibration import Calibration
from spacy_bilstm_crf.potentials import Potentials
from spacy_bilstm_crf.training.annotation import Annotation
from spacy_bilstm_crf.training.calibration import fit_calibration
from spacy_bilstm_crf.training.losses import annotation_loss

n_tags = 9
rng = np.random.default_rng(0)
emissions = [rng.normal(size=(n, n_tags)).astype("f") for n in (5, 0, 3)]
emissions[0][2, 4] = 30.0  # a certain entity of one token
shared = (rng.normal(size=shape).astype("f") for shape in ((n_tags, n_tags), n_tags, n_tags))
potentials = Potentials(emissions, *shared)
distribution = decoding.Distribution(potentials, [None] * 3)
settings = decoding.DecodingSettings(None, True, 0.1, 20)
first, empty, _ = decoding.decode(distribution, settings)
assert [entity.span for entity in first.entities if entity.start == 2] == [(2, 3, 0)]
assert all(0.0 < entity.probability <= 1.0 for entity in first.entities)
assert empty == decoding.Prediction([], [])
assert np.isfinite(decoding.entropies(distribution)).all()
assert len(decoding.margins(distribution)) == 3
gold = [np.arange(n_tags) == np.zeros((len(doc), 1)) for doc in emissions]
annotation = Annotation([None] * 3, gold, [])
loss, gradient = annotation_loss(annotation, None, potentials)
assert loss > 0.0 and type(gradient.transitions) is np.ndarray
assert fit_calibration([(potentials, annotation)], 2) != Calibration()
"""


def test_decoding_and_calibration_need_no_torch():
    subprocess.run([sys.executable, "-c", CODE], check=True)
