"""Run by test_parity.py: compares nlp.pipe with one process and with two.

    python -m tests.several_processes FACTORY START_METHOD

A process of its own, so that a hang can be ended and a spawned worker finds a main module.
"""

import multiprocessing
import sys

import spacy.language
import torch
from spacy.util import fix_random_seed

from tests.helpers import entities, trained_nlp


def main(factory, start_method):
    fix_random_seed(0)
    # Several threads are what goes wrong after a fork
    torch.set_num_threads(2)
    spacy.language.mp = multiprocessing.get_context(start_method)
    nlp = trained_nlp(factory)
    texts = ["I like London.", "Who is Shaka Khan?", "", "Berlin and London"] * 10
    expected = [entities(doc) for doc in nlp.pipe(texts)]
    assert expected[0] == [("London", "LOC")]
    found = [entities(doc) for doc in nlp.pipe(texts, n_process=2, batch_size=5)]
    assert found == expected, found


if __name__ == "__main__":
    main(*sys.argv[1:])
