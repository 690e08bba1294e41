"""The web: posts and pages of static sites, in Markdown."""

import re

from ..cleaning import clean
from . import Documents
from .markup import decode, strip_tags

FRONT_MATTER = re.compile(r"(?s)\A---\n.*?\n---\n")
NO_TEXT = re.compile(r"(?s)```.*?```|<(script|style|table|iframe|figure)\b.*?</\1>")
TEMPLATES = re.compile(r"(?s)\{\{.*?\}\}|\{%.*?%\}|\{:.*?\}")  # of Hugo, Liquid and kramdown
IMAGES_AND_NOTES = re.compile(r"!\[[^\]]*\]\([^)]*\)|\[\^[^\]]*\]:?")
LINKS = re.compile(r"\[([^\]]*)\]\([^)]*\)|\[([^\]]*)\]\[[^\]]*\]")
BLOCK_TAGS = re.compile(r"</?(p|div|li|ul|ol|blockquote|h\d)\b[^>]*>")
BLOCK_END = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*+]|\d+\.)\s)")  # an empty line, or before an item
NO_PARAGRAPH = re.compile(r"#|\||\[|<")  # a heading, a table, what is left of links and tags
QUOTE_OR_ITEM = re.compile(r"^(?:>|[-*+]|\d+\.)\s+|\n>\s*")
EMPHASIS_AND_CODE = re.compile(r"(?<!\w)[*_]{1,3}|[*_]{1,3}(?!\w)|`")
OF_THE_SITE = re.compile(
    r"(?i)https?:|www\.|register for|sign up|subscribe|click|originally posted|this post was"
    r"|is a (?:guest|former)|@"
)


def markdown(data: bytes) -> Documents:
    """Read a page in Markdown: its paragraphs and items of lists, with the text of links.

    Headings, tables, code, images, and what only the page's own visitors need are left out.
    """
    text = FRONT_MATTER.sub("", decode(data))
    text = TEMPLATES.sub("", NO_TEXT.sub(" ", text))
    text = IMAGES_AND_NOTES.sub(" ", text)
    text = LINKS.sub(lambda match: match[1] or match[2] or "", text)
    text = strip_tags(BLOCK_TAGS.sub("\n\n", text))
    paragraphs = [block.strip() for block in BLOCK_END.split(text)]
    plain = [_plain(each) for each in paragraphs if not NO_PARAGRAPH.match(each)]
    return [[each for each in plain if _is_paragraph(each)]]


def _plain(block: str) -> str:
    return clean(EMPHASIS_AND_CODE.sub("", QUOTE_OR_ITEM.sub(" ", block)))


def _is_paragraph(text: str) -> bool:
    ends = re.search(r"[.?!:\u201d\")]$", text)
    return len(text.split()) >= 8 and bool(ends) and not OF_THE_SITE.search(text)
