"""Files that come with the package: found in the repository, and put into the wheel."""

import subprocess
import sys

import pytest

from spacy_bilstm_crf.common import resources
from spacy_bilstm_crf.common.errors import UserError
from tests.helpers import ROOT


def test_what_is_shipped_is_what_the_repository_has():
    configs = {path.stem: path for path in (ROOT / "configs").glob("*.cfg")}
    assert resources.shipped_configs() == configs
    assert resources.SEARCH_SPACE in configs
    assert all(resources.shipped_vectors(name).is_file() for name in resources.VECTORS)
    with pytest.raises(UserError, match="nonsense: it must be one of bilstm_crf, "):
        resources.shipped_config("nonsense")


def test_a_wheel_has_its_own(tmp_path, monkeypatch):
    config = tmp_path / "resources" / "configs" / "mine.cfg"
    config.parent.mkdir(parents=True)
    config.touch()
    monkeypatch.setattr(resources, "PACKAGE", tmp_path)
    assert resources.shipped_configs() == {"mine": config}


def test_the_build_puts_them_into_the_package(tmp_path):
    build = [sys.executable, "setup.py", "-q", "build", "--build-base", tmp_path]
    subprocess.run([*build, "--build-lib", tmp_path / "lib"], check=True, cwd=ROOT)
    built = tmp_path / "lib" / "spacy_bilstm_crf" / "resources"
    found = {path.relative_to(built) for path in built.rglob("*") if path.is_file()}
    vectors = [resources.shipped_vectors(name) for name in resources.VECTORS]
    shipped = {path.relative_to(ROOT) for path in [*(ROOT / "configs").glob("*.cfg"), *vectors]}
    assert shipped <= found
