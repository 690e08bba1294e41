"""What a tag makes: its version, its notes, and workflows that agree with the project's files."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import material
import pytest
import srsly

from scripts import docs_hooks
from scripts.release_notes import notes, version_of
from tests.helpers import ROOT

WORKFLOWS = {
    path.stem: path.read_text(encoding="utf8")
    for path in (ROOT / ".github" / "workflows").glob("*.yml")
}
REPOSITORY = "https://example.org/someone/project"


@pytest.fixture
def release(tmp_path):
    """A project at version 1.2.0."""
    (tmp_path / "setup.cfg").write_text("[metadata]\nversion = 1.2.0\n")
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 1.2.0\nlicense: MIT\n")
    changes = "# Changelog\n\n## 1.2.0 (2026-01-01)\n\n### Fixed\n\n- é\n\n## 1.1.0\n\n- Older.\n"
    (tmp_path / "CHANGELOG.md").write_text(changes, encoding="utf8")
    return tmp_path


def test_the_notes_are_what_the_changelog_says_of_the_tag(release):
    assert notes("v1.2.0", release) == "### Fixed\n\n- é"


@pytest.mark.parametrize(
    "tag, file, old, new, message",
    [
        ("v1.1.0", "setup.cfg", "", "", "The tag is v1.1.0, and setup.cfg has version 1.2.0"),
        ("1.2.0", "setup.cfg", "", "", "The tag is 1.2.0,"),
        ("v1.2.0", "CITATION.cff", "\nversion: 1.2.0", "\nversion: 1.1.0", "CITATION.cff has"),
        ("v1.2.0", "CHANGELOG.md", "## 1.2.0", "## 1.2.0rc1", "says nothing under '## 1.2.0 ("),
        ("v1.2.0", "CHANGELOG.md", "2026-01-01", "not released yet", "says nothing under"),
        ("v1.2.0", "CHANGELOG.md", "### Fixed\n\n- é", "", "says nothing under"),
    ],
)
def test_a_tag_that_does_not_fit_is_refused(tag, file, old, new, message, release):
    path = release / file
    path.write_text(path.read_text(encoding="utf8").replace(old, new), encoding="utf8")
    with pytest.raises(SystemExit, match=re.escape(message)):
        notes(tag, release)


def test_the_project_has_one_version():
    citation = srsly.read_yaml(ROOT / "CITATION.cff")
    assert str(citation["version"]) == version_of(ROOT)


def test_the_tests_run_on_the_versions_of_python_that_are_named():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf8")
    named = re.findall(r"Python :: (3\.\d+)", setup["metadata"]["classifiers"])
    tested = re.search(r"python: (\[.*\])", WORKFLOWS["test"])[1]
    assert json.loads(tested) == named
    assert setup["options"]["python_requires"] == f">={named[0]}"


def test_a_release_has_the_pipelines_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    made = re.search(r"^PIPELINES \?= (.*)$", makefile, re.MULTILINE)[1].split()
    attached = re.search(r"dataset: \[(.*)\]", WORKFLOWS["release"])[1].split(", ")
    assert attached == made


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_make_what_there_is(name):
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    for words in re.findall(r"run: make (.*)", WORKFLOWS[name]):
        for target in (word for word in words.split() if "=" not in word):
            assert f"\n{target}:" in makefile, target
    for extra in re.findall(r'"\.\[(.*)\]"', WORKFLOWS[name]):
        setup = (ROOT / "setup.cfg").read_text(encoding="utf8")
        assert all(f"\n{each} =\n" in setup for each in extra.split(","))


def metadata(folder, **variables):
    """What a build of a small project with our setup.py says of itself."""
    for file in ("setup.py", "LICENSE"):
        shutil.copy(ROOT / file, folder)
    (folder / "README.md").write_text(
        '[a](docs/a.md#b) [c](https://c.org) [d](#d) ![e](docs/e.svg) <img src="docs/f.png">'
    )
    (folder / "setup.cfg").write_text(
        "[metadata]\nname = x\nversion = 1\nlong_description = file: README.md\n"
        "long_description_content_type = text/markdown\n[options]\npackages =\n"
    )
    command = [sys.executable, "setup.py", "--quiet", "egg_info"]
    env = {**os.environ, "REPOSITORY_URL": "", **variables}
    subprocess.run(command, check=True, cwd=folder, env=env)
    return (folder / "x.egg-info" / "PKG-INFO").read_text(encoding="utf8")


def test_without_an_address_the_metadata_are_those_of_setup_cfg(tmp_path):
    found = metadata(tmp_path)
    assert "Project-URL" not in found and "[a](docs/a.md#b)" in found


def test_with_an_address_all_links_of_the_readme_are_whole(tmp_path):
    found = metadata(tmp_path, REPOSITORY_URL=REPOSITORY)
    assert f"Project-URL: Source, {REPOSITORY}\n" in found
    file, raw = f"{REPOSITORY}/blob/HEAD/docs", f"{REPOSITORY}/raw/HEAD/docs"
    assert f"[a]({file}/a.md#b) [c](https://c.org) [d](#d)" in found
    assert f'![e]({raw}/e.svg) <img src="{raw}/f.png">' in found


def test_pages_do_not_ask_the_host_of_the_repository():
    partial = Path(material.__file__).parent / "templates" / "partials" / "source.html"
    page = partial.read_text(encoding="utf8")
    assert docs_hooks.ASKS_HOST in page
    for found in (
        docs_hooks.on_post_page(page, None, None),
        docs_hooks.on_post_template(page, "404.html", None),
    ):
        assert "data-md-component" not in found and 'class="md-source"' in found
