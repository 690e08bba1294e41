"""HTML pages that need nothing beside them: one template, one stylesheet, the formats of numbers.

A page's own template is in the folder of the package that renders it. It begins with
`{% extends "base.html.jinja" %}` and fills the blocks `title`, `head` (more CSS) and `content`.
"""

from collections.abc import Mapping
from html import escape
from importlib.metadata import version


def render(package: str, template: str, **values: object) -> str:
    """Render a page.

    Args:
        package: Name of the package whose folder holds the template, such as `__package__`.
        template: File name of the template.
        **values: What the template uses. Strings are escaped.

    Returns:
        The HTML, with its style and scripts in it.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, ""), PackageLoader(__package__, "")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, interval=interval, count=count)
    environment.globals["package_version"] = version("spacy-bilstm-crf")
    return environment.get_template(template).render(**values)


def as_frame(page: str) -> str:
    """Return HTML that shows a page inside another, such as a notebook's output.

    The page is in a sandboxed frame of its own: neither its style nor its scripts touch what is
    around it.
    """
    style = "width: 100%; height: 42rem; border: 0"
    return f'<iframe srcdoc="{escape(page)}" sandbox="allow-scripts" style="{style}"></iframe>'


def percent(value: float | None) -> str:
    """Format a share as a percentage without its sign; a dash for None."""
    return "–" if value is None else f"{100 * value:.1f}"  # noqa: RUF001


def interval(score: Mapping[str, float | None]) -> str:
    """Format the "low" and "high" of a score as percentages; empty if they are None."""
    if score["low"] is None:
        return ""
    return f"{percent(score['low'])} to {percent(score['high'])}"


def count(number: int) -> str:
    """Format a whole number with commas between thousands."""
    return f"{number:,}"
