"""Print what CHANGELOG.md says of a release, once its tag is seen to be the version.

python scripts/release_notes.py TAG
"""

import configparser
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def version_of(root: Path) -> str:
    """Return the version in setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(root / "setup.cfg", encoding="utf8")
    return setup["metadata"]["version"]


def notes(tag: str, root: Path = ROOT) -> str:
    """Return the section of CHANGELOG.md about a release.

    Raises:
        SystemExit: If the tag is not the version in setup.cfg and CITATION.cff, or there is no such
            section.
    """
    version = version_of(root)
    if tag != f"v{version}":
        sys.exit(f"The tag is {tag}, and setup.cfg has version {version}.")
    if f"\nversion: {version}\n" not in (root / "CITATION.cff").read_text(encoding="utf8"):
        sys.exit(f"CITATION.cff has another version than setup.cfg: {version}.")
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf8")
    heading = rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)\n"
    section = re.search(rf"{heading}(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if section is None or not section[1].strip():
        sys.exit(f"CHANGELOG.md says nothing under '## {version} (YYYY-MM-DD)'.")
    return section[1].strip()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.stdout.reconfigure(encoding="utf8")  # type: ignore[union-attr]
    print(notes(sys.argv[1]))
