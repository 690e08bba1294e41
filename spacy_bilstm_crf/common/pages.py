"""HTML pages that need nothing beside them: one template, one stylesheet, the formats of numbers.

A page's own template is in the folder of the package that renders it. It begins with
`{% extends "base.html.jinja" %}` and fills the blocks `title`, `head` (more CSS) and `content`.
`macros.html.jinja` has what several pages show.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.metadata import version

CONTEXT = 100  # characters before and after what a text is shown for
LONGEST_CONTEXT = 700  # characters of a text that are shown
LONG_WORD = 40


def render(package: str | Sequence[str], template: str, **values: object) -> str:
    """Render a page.

    Args:
        package: Name of the package whose folder holds the template, such as `__package__`; several
            if it extends a template of another package.
        template: File name of the template.
        **values: What the template uses. Strings are escaped.

    Returns:
        The HTML, with its style and scripts in it.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    packages = [package] if isinstance(package, str) else package
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name, "") for name in (*packages, __package__)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, interval=interval, thousands=thousands)
    environment.globals["package_version"] = version("spacy-bilstm-crf")
    return environment.get_template(template).render(**values)


def as_frame(page: str) -> str:
    """Return HTML that shows a page inside another, such as a notebook's output.

    The page is in a sandboxed frame of its own: neither its style nor its scripts touch what is
    around it.
    """
    # Without a base, links to parts of the page would load the notebook into the frame
    page = page.replace("<head>", '<head><base href="about:srcdoc">', 1)
    style = "width: 100%; height: 42rem; border: 0"
    return f'<iframe srcdoc="{escape(page)}" sandbox="allow-scripts" style="{style}"></iframe>'


def text_window(text: str, spans: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Return the part of a text to show: whole words around some spans of characters.

    Args:
        text: The text.
        spans: First character and end of each span.

    Returns:
        First character and end. If the spans are far apart, the last ones may be outside.
    """
    starts, ends = zip(*spans)
    first = max(0, min(starts) - CONTEXT)
    last = min(len(text), max(ends) + CONTEXT, min(starts) + LONGEST_CONTEXT)
    # Very long words are cut all the same
    before = text.rfind(" ", max(0, first - LONG_WORD), first)
    if before >= 0 or first < LONG_WORD:
        first = before + 1
    after = text.find(" ", last, last + LONG_WORD)
    if after >= 0 or len(text) - last < LONG_WORD:
        last = after if after >= 0 else len(text)
    return first, last


def percent(value: float | None) -> str:
    """Format a share as a percentage without its sign; a dash for None."""
    return "–" if value is None else f"{100 * value:.1f}"  # noqa: RUF001


def interval(score: Mapping[str, float | None]) -> str:
    """Format the "low" and "high" of a score as percentages; empty if they are None."""
    if score["low"] is None:
        return ""
    return f"{percent(score['low'])} to {percent(score['high'])}"


def thousands(number: int) -> str:
    """Format a whole number with commas between thousands."""
    return f"{number:,}"
