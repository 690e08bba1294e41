"""Books: novels of Standard Ebooks, textbooks of OpenStax."""

import re

from . import Documents
from .markup import decode, inside, strip_tags, without_elements


def standard_ebook(data: bytes) -> Documents:
    """Read a chapter (XHTML) of a Standard Ebook: its prose, without verse and notes."""
    text = decode(data)
    # Not to the end of these, as they are nested: to the first end of a tag, which is enough to
    # take the first paragraph away. What is left of verse has line breaks, see below
    kinds = r"table|header|blockquote[^>]*verse|section[^>]*(?:dedication|epigraph)"
    text = re.sub(rf"(?s)<({kinds})\b.*?</\w+>", " ", text)
    text = re.sub(r"(?s)<a [^>]*noteref[^>]*>.*?</a>", "", text)
    return [[strip_tags(each) for each in inside(text, "p") if each.count("<br/>") < 2]]


def openstax(data: bytes) -> Documents:
    """Read a module (CNXML) of an OpenStax textbook: paragraphs without formulas and links.

    Exercises, the glossary, figures, tables, lists and footnotes are left out.
    """
    text = without_elements(decode(data), "exercise", "glossary", "figure", "table")
    text = re.sub(r"(?s)<md:.*?</md:[a-z]+>", " ", text)  # metadata
    text = re.sub(r"(?s)<footnote.*?</footnote>", "", text)
    return [
        [
            strip_tags(without_elements(paragraph, "list", "equation"))
            for paragraph in inside(text, "para")
            if not re.search(r"<m:math|<link|[Vv]isit the|Visit this", paragraph)
        ]
    ]
