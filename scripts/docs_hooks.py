"""MkDocs hooks: the changelog, which is not in docs/, becomes a page; pages load nothing else."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

CHANGELOG = Path(__file__).parent.parent / "CHANGELOG.md"
# Of Material's link to the repository: by it a script asks the host for the number of stars
ASKS_HOST = ' data-md-component="source"'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the changelog. MkDocs calls this with the files of docs/."""
    files.append(File.generated(config, "changelog.md", abs_src_path=str(CHANGELOG)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make the changelog's links, which lead from the top of the repository, lead from docs/."""
    return markdown.replace("](docs/", "](") if page.file.src_uri == "changelog.md" else markdown


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Keep the link to the repository from asking its host. MkDocs calls this with each page."""
    return output.replace(ASKS_HOST, "")


def on_post_template(output_content: str, template_name: str, config: MkDocsConfig) -> str:
    """Do the same for pages such as 404.html, which are no documents."""
    return output_content.replace(ASKS_HOST, "")
