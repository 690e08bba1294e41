"""MkDocs hook: the changelog, which is not in docs/, becomes a page."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

CHANGELOG = Path(__file__).parent.parent / "CHANGELOG.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the changelog. MkDocs calls this with the files of docs/."""
    files.append(File.generated(config, "changelog.md", abs_src_path=str(CHANGELOG)))
    return files
