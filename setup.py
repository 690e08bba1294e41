"""Build the package; what it is, is in setup.cfg.

The configs and the word vectors of the repository are put into the wheel, where
`spacy_bilstm_crf/common/resources.py` finds them. Without a wheel, as in an editable install, it
finds them in the repository.

With the environment variable REPOSITORY_URL the metadata get the project's addresses, and the links
of README.md become whole ones, as a package index needs them. CONTRIBUTING.md says when it is set.
"""

import os
import re
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

RESOURCES = ("configs/*.cfg", "assets/vectors/*")


class BuildWithResources(build_py):
    """Build the package's files, and copy the resources to them."""

    def run(self) -> None:
        """Build, except for an editable install."""
        super().run()
        if self.editable_mode:
            return
        package = Path(self.build_lib, "spacy_bilstm_crf", "resources")
        for path in (path for pattern in RESOURCES for path in sorted(Path().glob(pattern))):
            self.mkpath(str(package / path.parent))
            self.copy_file(str(path), str(package / path))


def addresses(repository: str) -> dict[str, object]:
    """Return the metadata that name the repository: none without an address."""
    if not repository:
        return {}
    readme = Path("README.md").read_text(encoding="utf8")
    readme = re.sub(r'(!\[[^]]*\]\(|<img src=")(?!https?:)', rf"\1{repository}/raw/HEAD/", readme)
    readme = re.sub(r"(\]\()(?!https?:|#)", rf"\1{repository}/blob/HEAD/", readme)
    return {
        "long_description": readme,
        "project_urls": {
            "Source": repository,
            "Changelog": f"{repository}/blob/HEAD/CHANGELOG.md",
            "Issues": f"{repository}/issues",
        },
    }


setup(cmdclass={"build_py": BuildWithResources}, **addresses(os.environ.get("REPOSITORY_URL", "")))
