"""Build the package; what it is, is in setup.cfg.

The configs and the word vectors of the repository are put into the wheel, where
`spacy_bilstm_crf/common/resources.py` finds them. Without a wheel, as in an editable install, it
finds them in the repository.
"""

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


setup(cmdclass={"build_py": BuildWithResources})
