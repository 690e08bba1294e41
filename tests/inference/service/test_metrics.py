"""Numbers that several workers keep."""

import os
import subprocess
import sys

from spacy_bilstm_crf.inference.service.metrics import _forget_the_dead


def test_what_waited_in_a_worker_that_is_gone_is_not_counted(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    alive = tmp_path / f"gauge_livesum_{os.getpid()}.db"
    for path in (alive, tmp_path / f"gauge_livesum_{gone.pid}.db"):
        path.touch()
    _forget_the_dead(tmp_path)
    assert list(tmp_path.iterdir()) == [alive]
