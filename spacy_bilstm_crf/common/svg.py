"""Figures of matplotlib as a part of a page, whose colours they take."""

import re
from collections.abc import Mapping
from io import StringIO
from typing import Any


def as_svg(figure: Any, colors: Mapping[str, str]) -> str:
    """A figure as an `<svg>` element.

    Args:
        figure: The figure.
        colors: What stands in CSS for each colour that it is drawn with: matplotlib knows no
            variables.
    """
    written = StringIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    text = written.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for color, in_css in colors.items():
        text = text.replace(color, in_css)
    return text
