"""Run by test_parity.py: uses a pipeline in children of a parent that has loaded, then used it.

    python -m tests.forks FACTORY PATH

A process of its own, so that a hang can be ended.
"""

import multiprocessing
import os
import sys

import spacy
import torch

from tests.helpers import entities, examples_for, train

TEXTS = ["I like London.", "Who is Shaka Khan?", "", "Berlin and London"] * 10


def main(factory, path):
    # Several threads, once used, are what goes wrong after a fork
    torch.set_num_threads(2)
    product = torch.ones(500, 500) @ torch.ones(500, 500)
    assert product[0, 0] == 500
    nlp = spacy.load(path)
    expected = [[("London", "LOC")], [("Shaka Khan", "PERSON")]]

    def child():
        assert [entities(nlp(text)) for text in TEXTS[:2]] == expected
        assert [entities(doc) for doc in spacy.load(path).pipe(TEXTS)][:2] == expected
        if factory == "bilstm_crf_ner":
            assert nlp.get_pipe("ner").entropy([nlp.make_doc(TEXTS[0])])[0] >= 0.0
        train(nlp, examples_for(nlp), steps=2, optimizer=nlp.resume_training())

    for start in (by_os_fork, by_multiprocessing):
        start(child)
    assert [entities(nlp(text)) for text in TEXTS[:2]] == expected
    for start in (by_os_fork, by_multiprocessing):
        start(child)


def by_os_fork(child):
    pid = os.fork()
    if pid == 0:
        try:
            child()
        finally:
            os._exit(sys.exc_info()[0] is not None)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def by_multiprocessing(child):
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
