"""The process that trains for an annotation tool, whichever one that is."""

import os
import sys

import pytest

from spacy_bilstm_crf.integrations.live_model import training


@pytest.mark.parametrize("has_priorities", [hasattr(os, "nice"), False])
def test_it_leaves_the_cores_to_others_where_it_can(has_priorities, monkeypatch):
    nice = []
    if has_priorities:
        monkeypatch.setattr(os, "nice", nice.append)
    else:
        monkeypatch.delattr(os, "nice", raising=False)
    monkeypatch.setattr(sys, "argv", ["training", "folder", str(os.getppid())])
    monkeypatch.setattr(training, "end_with_parent", lambda *_: None)
    trained = []
    monkeypatch.setattr(training, "train_version", lambda folder, *_: trained.append(folder.name))
    training.run_training(None, None)
    assert trained == ["folder"]
    assert nice == ([training.NICE] if has_priorities else [])
