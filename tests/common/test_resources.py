"""Files that come with the package: found in the repository, and put into the wheel."""

import shutil
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
    for folder in ("spacy_bilstm_crf", "configs", "assets/vectors"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    command = [sys.executable, "setup.py", "--quiet", "build", "--build-lib", "built"]
    subprocess.run(command, check=True, cwd=tmp_path)
    built = tmp_path / "built" / "spacy_bilstm_crf" / "resources"
    vectors = [resources.shipped_vectors(name) for name in resources.VECTORS]
    for path in [*resources.shipped_configs().values(), *vectors]:
        assert (built / path.relative_to(ROOT)).read_bytes() == path.read_bytes()
