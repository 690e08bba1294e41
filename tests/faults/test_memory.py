"""Memory stays as it is, however many docs go through."""

import subprocess
import sys

import pytest

from tests.helpers import ROOT

N_DOCS = 100_000
# What an allocator may keep back; a number of 8 bytes kept for each doc and each of its words
# would be 3.2 MB
MAX_KB = 3000


def growth(factory):
    command = [sys.executable, "-m", "tests.faults.memory", factory, str(N_DOCS)]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=550)
    return int(run.stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_many_docs_take_no_more_memory_than_with_the_stock_ner():
    assert growth("bilstm_crf_ner") <= max(growth("ner"), 0) + MAX_KB
