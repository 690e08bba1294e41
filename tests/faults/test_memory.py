"""Memory stays as it is, however many docs go through."""

import subprocess
import sys

import pytest

from tests.helpers import ROOT

N_DOCS = 100_000
# An allocator's steps are some 13 MB. A doc is several kB: to keep one in 20 would be more.
MAX_KB = 16_000


def growth(factory):
    """Of kilobytes, strings, objects."""
    command = [sys.executable, "-m", "tests.faults.memory", factory, str(N_DOCS)]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=550)
    return [int(number) for number in run.stdout.split()]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_many_docs_take_no_more_memory_than_with_the_stock_ner():
    (ours, strings, objects), (stock, _, _) = growth("bilstm_crf_ner"), growth("ner")
    assert strings == 0
    assert objects < 1000  # of 80,000 docs
    assert ours <= max(stock, 0) + MAX_KB
