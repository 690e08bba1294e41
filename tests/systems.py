"""Marks for tests that need what only some systems have."""

import shutil
import sys
from importlib.util import find_spec

import pytest

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="measures as Linux does")
FORKS = pytest.mark.skipif(
    sys.platform != "linux", reason="forks a process that has threads, which works on Linux alone"
)
SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="sends signals that Windows lacks")
FILES = pytest.mark.skipif(
    sys.platform == "win32", reason="makes links, pipes or devices, which Windows lacks"
)
RAY = pytest.mark.skipif(not find_spec("ray"), reason="needs the [ray] extra")
SPARK = pytest.mark.skipif(
    not find_spec("pyspark") or not shutil.which("java") or sys.platform == "win32",
    reason="needs the [spark] extra and Java; on Windows Spark needs programs of Hadoop, too",
)
ENGINES = {
    "local": "local",
    "ray": pytest.param("ray", marks=RAY),
    "spark": pytest.param("spark", marks=SPARK),
}
