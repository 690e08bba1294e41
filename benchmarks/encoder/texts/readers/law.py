"""Law: opinions of courts of appeals, sections of a code."""

import json
import re
from typing import Any

from ..cleaning import clean
from . import Documents
from .markup import decode, inside, strip_tags, without_elements

# Of the plain text: numbers of pages, and the number of the case at the head of each
PAGE_HEAD = re.compile(r"^\s*-?\s*\d{1,3}\s*-?\s*$|^\s*(No\.|Nos\.) |^\s*Case:? ")
# Numbers of pages or notes in brackets, *123 in the text, lines to fill in
MARKS = re.compile(r"\[(?:\*|\d+|\*\d+)\]|\*\d+ |_{3,}")
WHOLE = re.compile(r"[A-Z\"\u201c(\[].*[.?!\u201d\"'):]$")  # begins and ends as a paragraph does
COUNSEL = re.compile(
    r"on (?:the )?briefs?\b|Judges?\.$"
    r"|for (?:appellants?|appellees?|petitioners?|respondents?)\b"
)
NOT_IN_FORCE = re.compile(r"(?i)\[?(repealed|expired|reserved|omitted)")
OF_HISTORY = re.compile(r"D\.C\. (?:Law|Act) \d|\[(?:[Rr]epealed|[Ee]xpired|[Oo]mitted)")


def opinion(data: bytes) -> Documents:
    """Read an opinion (JSON) of CourtListener: whole paragraphs, without counsel and judges."""
    try:
        record = json.loads(decode(data))
    except ValueError:
        return []
    paragraphs = [clean(MARKS.sub("", each)) for each in _paragraphs(record)]
    return [[each for each in paragraphs if _is_reasoning(each)]]


def _paragraphs(record: dict[str, Any]) -> list[str]:
    markup = record.get("html_lawbox") or record.get("html") or ""
    if "<p" not in markup:
        return _of_layout(record.get("plain_text", ""))
    markup = without_elements(markup, "center", "pre", r"h\d")
    pages, note_marks = r"<span class=\"star-pagination\">.*?</span>", r"<sup>.*?</sup>"
    footnotes = r"<a [^>]*footnote[^>]*>.*?</a>"
    markup = re.sub(rf"(?s){pages}|{note_marks}|{footnotes}", "", markup)
    return [strip_tags(each) for each in inside(markup, "p")]


def _of_layout(text: str) -> list[str]:
    """Find the paragraphs of printed pages: each begins with an indented line."""
    lines = [line.rstrip() for line in text.replace("\f", "\n").split("\n")]
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if not line or PAGE_HEAD.match(line):
            continue
        if len(line) - len(line.lstrip()) >= 4 and paragraphs[-1]:
            paragraphs.append([])
        paragraphs[-1].append(line.strip())
    # Headings have fewer than three lines. Words are hyphenated at the ends of lines
    joined = [" ".join(lines) for lines in paragraphs if len(lines) >= 3]
    return [re.sub(r"(\w)- (?=[a-z])", r"\1", each) for each in joined]


def _is_reasoning(paragraph: str) -> bool:
    n_words = len(paragraph.split())
    is_of_counsel = n_words < 90 and COUNSEL.search(paragraph)
    return n_words >= 20 and bool(WHOLE.match(paragraph)) and not is_of_counsel


def dc_section(data: bytes) -> Documents:
    """Read a section (XML) of the D.C. Code: what is in force, without headings and annotations."""
    text = without_elements(decode(data), "annotations", "heading", "num", "history")
    text = without_elements(text, "table")
    paragraphs = [strip_tags(each) for each in inside(text, "(?:text|aftertext)")]
    if NOT_IN_FORCE.search(" ".join(paragraphs)[:40]):
        return []
    return [[each for each in paragraphs if not OF_HISTORY.search(each)]]
