"""Where data, configs and results are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

BENCHMARKS = Path(__file__).parent.parent
ROOT = BENCHMARKS.parent
CORPUS = ROOT / "corpus"  # project run convert
CONFIGS = ROOT / "configs"
SHIPPED = CONFIGS / "bilstm_crf.cfg"
WITH_VECTORS = CONFIGS / "glove_char_cnn.cfg"
VECTORS = ROOT / "training" / "vectors" / "glove-6b-100d-20k"  # project run vectors
PICTURES = ROOT / "docs" / "assets"


def results_of(study: str) -> Path:
    """Return the folder that a study writes its JSON files to.

    It is below `benchmarks/`, or below the folder that the environment variable
    BENCHMARK_RESULTS names: for a try that leaves the results of the repository alone.
    """
    return Path(os.environ.get("BENCHMARK_RESULTS", BENCHMARKS), study, "results").absolute()


@contextmanager
def temporary_folder(prefix: str = "benchmark-") -> Iterator[Path]:
    """Make a folder that is removed when the block ends."""
    with TemporaryDirectory(prefix=prefix) as folder:
        yield Path(folder)
