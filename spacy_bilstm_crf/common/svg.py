"""Figures of matplotlib as part of a page, in the page's colours."""

import re
from collections.abc import Mapping
from io import StringIO
from typing import Any


def as_svg(figure: Any, colors: Mapping[str, str]) -> str:
    """Return a figure as an `<svg>` element.

    Args:
        figure: The figure.
        colors: The CSS that replaces each colour of the figure. Matplotlib knows no variables.
    """
    written = StringIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    text = written.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    for color, in_css in colors.items():
        text = text.replace(color, in_css)
    return text
