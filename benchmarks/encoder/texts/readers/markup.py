"""What readers of several formats do with bytes and tags."""

import html
import re


def decode(data: bytes) -> str:
    """Decode UTF-8, or else cp1252."""
    try:
        return data.decode("utf8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def strip_tags(markup: str) -> str:
    """Remove the tags of HTML or XML. The ends of blocks and lines become spaces."""
    markup = re.sub(r"(?i)<br\s*/?>", " ", markup)
    markup = re.sub(r"</(td|th|li|p|div|h\d)>", " ", markup)
    return html.unescape(re.sub(r"<[^>]+>", "", markup))


def without_elements(markup: str, *elements: str, by: str = " ") -> str:
    """Remove elements and what is in them, as far as the first tag that ends one of that name.

    Args:
        markup: HTML or XML.
        elements: Regular expressions of names, followed by what must be in the tag.
        by: What to put in their place.
    """
    return re.sub(rf"(?s)<({'|'.join(elements)})\b.*?</\1>", by, markup)


def inside(markup: str, element: str) -> list[str]:
    """Return what is in each element of a name, up to the first tag that ends one.

    An empty element, such as `<p/>`, begins one too: browsers read HTML so.
    """
    return re.findall(rf"(?s)<{element}\b[^>]*>(.*?)</{element}>", markup)
