"""What pytest gives to tests by name: a small corpus, a pipeline trained on it."""

import os
from collections import Counter
from functools import cache
from types import SimpleNamespace

import catalogue
import hypothesis
import pytest
import spacy
import torch
from filelock import FileLock
from spacy.lang.en import English
from spacy.tokens import DocBin
from spacy.util import fix_random_seed

from tests.arrays import KINDS, computing_on
from tests.helpers import CONFIG, SMALL_TRAINING, examples_for, spacy_command

# Results must not depend on how many cores there are
torch.set_num_threads(1)

# spaCy goes through the entry points of all packages for each function of a config that it looks up
catalogue.AVAILABLE_ENTRY_POINTS = SimpleNamespace(
    select=cache(catalogue.AVAILABLE_ENTRY_POINTS.select)
)

# English has 1,300 exceptions, and to load them takes most of the time of making a pipeline. The
# tests need none but these
English.Defaults.tokenizer_exceptions = {
    text: English.Defaults.tokenizer_exceptions[text] for text in ("can't", "don't", "Mr.", "e.g.")
}

# A busy machine is no reason to fail
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="module", params=KINDS)
def kind_of_arrays(request):
    """The kind of arrays that the CRF computes on: a module that uses this runs with each."""
    with computing_on(request.param):
        yield request.param


@pytest.fixture(autouse=True)
def fixed_seed():
    fix_random_seed(0)


def pytest_collection_modifyitems(items):
    """Begin with the files that take long, lest one process does the last while others wait."""
    n_slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -n_slow[item.path])


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory, request):
    """A folder that all processes of a test run have in common."""
    folder = tmp_path_factory.getbasetemp()
    is_worker = hasattr(request.config, "workerinput")  # of pytest-xdist
    return folder.parent if is_worker else folder


@pytest.fixture(scope="session")
def made_once(shared_folder):
    """Makes a folder by a function, once for all processes of a test run. Tests only read it."""

    def made(name, make):
        path = shared_folder / name
        with FileLock(shared_folder / f"{name}.lock"):
            if not path.exists():
                unfinished = shared_folder / f"{name}-unfinished"
                unfinished.mkdir()
                make(unfinished)
                unfinished.rename(path)
        return path

    return made


@pytest.fixture(scope="session", autouse=True)
def light_processes(made_once):
    """Let processes that tests start have one thread, and not import transformers.

    They share the cores with other tests. torch in the process of the tests has read its number of
    threads by now. Where spacy-transformers is installed, spaCy imports it with the first pipeline
    that it makes: half of the time that a process takes to start, and none of them needs it.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Spark ends before code that is compiled to be fast has paid
    os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    hidden = made_once("without-transformers", hide_transformers)
    paths = [str(hidden), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)


def hide_transformers(folder):
    """Write a package's metadata: put first on Python's path, it hides the real entry points."""
    metadata = folder / "spacy_transformers-0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: spacy-transformers\nVersion: 0\n")


@pytest.fixture(scope="session")
def corpus(made_once):
    """A file of a few docs."""

    def make(folder):
        examples = examples_for(spacy.blank("en"))
        DocBin(docs=[eg.reference for eg in examples] * 4).to_disk(folder / "train.spacy")

    return made_once("corpus", make) / "train.spacy"


@pytest.fixture(scope="session")
def paths(corpus):
    """Options for `spacy train` to train and evaluate on it."""
    return [f"--paths.train={corpus}", f"--paths.dev={corpus}"]


@pytest.fixture(scope="session")
def model(made_once, paths):
    """Folder of a pipeline that was trained on it, by the shipped config."""

    def make(folder):
        arguments = [*paths, *SMALL_TRAINING, "--training.max_steps=60"]
        spacy_command("train", CONFIG, "--output", folder, *arguments)

    return made_once("training", make) / "model-best"
