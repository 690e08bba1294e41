"""Speeches, interviews, statements to the press and minutes of meetings."""

import re
from io import BytesIO
from zipfile import ZipFile

from ..cleaning import clean, prose_sentences
from . import Documents
from .markup import decode, strip_tags

# The Federal Reserve
LEAST_CHARACTERS = 2000  # of a page; the others are of meetings without minutes, and errors
MENU_CHARACTERS = 9000  # within which the site's menu has ended
AFTER_MENU = ("through the links provided below.", "Watch Live", "Share ")
NOTES = re.compile(r"\n\s*(?:Footnotes?|Return to text|References|Notes)\b")
FOOTER = re.compile(r"Return to text|Back to Top|Last [Uu]pdate")
# Numbers after a punctuation mark, where no space is between
NOTE_MARKS = re.compile(r"(?<=[a-z0-9%)][.,;])\d{1,2}(?=\s[A-Z])|(?<=[a-z][.,;])\d{1,2}(?=\s)")
OF_THE_SITE = re.compile(
    r"(?i)JavaScript|Toggle|Board of Governors of the Federal Reserve System Main"
    r"|Accessible (version|material)|^\s*\d+\."
)

# The Australian prime ministers
FIRST_YEAR = 1996  # before that, transcripts were scanned
BREAK = re.compile(r"(?i)</?p\b[^>]*>|(?:<br\s*/?>\s*)+")
NOT_SAID = re.compile(
    r"(?i)(\[?ends\]?|transcript of|e ?& ?o ?e|subjects?:|check against|for press|pm ?\d"
    r"|\(inaudible)"
)
SPEAKER = re.compile(r"^(PRIME MINISTER|PM|JOURNALIST|QUESTION|[A-Z][A-Z .'\-]{2,30}):\s*")
REMARK = re.compile(r"(?i)\[(?:inaudible|ends|laughter|applause)\]|\(inaudible\)")

# The US senators
FEWEST_WORDS, MOST_WORDS = 60, 6000
INITIALS_APART = re.compile(r"\bU S\b|\b[A-Z] [A-Z] [A-Z] |\bs (?:office|bill|plan)\b")
RELEASE_END = re.compile(r"(?:\s#\s?#\s?#|\s-30-|\s[*_-]{4,}\s*$)")
# "WASHINGTON, D.C. -", before which are the headline and the site's menu
DATELINE = re.compile(
    r"(?:WASHINGTON|Washington)[^.\n]{0,40}?(?:D\.? ?C\.?)[^A-Za-z]{0,40}?"
    r"(?:[-\u2013\u2014:]{1,2}|\))\s+(?=[A-Z\"])"
)
DATELINE_CHARACTERS = 1500  # within which it is
# Times of a recording, or five and more words in capitals
CLIP_OR_HEADLINE = re.compile(r"^(?:\d\d:\d\d(?: ?- ?\d\d:\d\d)? |(?:[^a-z\s]+\s+){5,}(?=[A-Z]))")
FOR_THE_PRESS = re.compile(
    r"(?i)for immediate release|contact:|press release|click here|phone:|fax:|\bhttp|www\."
    r"|latest news|print this|home page|e-?mail|\(\d{3}\) ?\d{3}|\d{3}-\d{4}"
    r"|senate office building|plug-?in|browser"
)

# The US presidents
STAGE_DIRECTION = re.compile(r"\[?\((?:Applause|Laughter)[^)]*\)\]?")


def federal_reserve(data: bytes) -> Documents:
    """Read a speech, or minutes, of the Federal Reserve: the sentences of a page's text.

    The site's menu, footnotes and their marks are cut off.
    """
    text = decode(data)
    if len(text) < LEAST_CHARACTERS:
        return []
    text = FOOTER.split(NOTES.split(_without_menu(text))[0])[0]
    lines = NOTE_MARKS.sub("", text).split("\n")
    return [[prose_sentences(" ".join(line for line in lines if not OF_THE_SITE.search(line)))]]


def _without_menu(text: str) -> str:
    for mark in AFTER_MENU:
        before, found, after = text.partition(mark)
        if found and len(before) < MENU_CHARACTERS:
            text = after
            if mark != "Watch Live":  # after which may come "Share"
                break
    return text


def prime_minister(data: bytes) -> Documents:
    """Read a transcript (XML) of an Australian prime minister, without the speakers' names."""
    text = decode(data)
    date = re.search(r"<release-date>\d\d/\d\d/(\d{4})", text)
    content = re.search(r"(?s)<content><!\[CDATA\[(.*?)\]\]>", text)
    if date is None or int(date[1]) < FIRST_YEAR or content is None:
        return []
    said = []
    for part in BREAK.split(content[1]):
        # Apostrophes have become ';
        paragraph = re.sub(r"';(?=[a-z])", "'", clean(strip_tags(part)))
        if NOT_SAID.match(paragraph):
            continue
        paragraph = SPEAKER.sub("", paragraph)
        if re.search(r"[.?!\u201d\"']$", paragraph) or len(paragraph.split()) > 25:
            said.append(REMARK.sub("", paragraph))
    return [said]


def senator(data: bytes) -> Documents:
    """Read a press release of a US senator, if its punctuation has survived.

    The headline, the date line and what concerns the press are left out.
    """
    text = re.sub(r"[\x92\x91]", "'", decode(data))
    if not _is_punctuated(clean(text)):
        return []
    body = RELEASE_END.split(text)[0]
    dateline = DATELINE.search(body)
    if dateline is not None and dateline.start() < DATELINE_CHARACTERS:
        body = body[dateline.end() :]
    parts = [CLIP_OR_HEADLINE.sub("", clean(each)) for each in re.split(r"\n\s*\n|\s{4,}", body)]
    return [[each for each in parts if _is_statement(each)]]


def _is_punctuated(text: str) -> bool:
    n_words = len(text.split())
    n_sentences = len(re.findall(r"[a-z\"'\u201d]\. ", text))
    return (
        FEWEST_WORDS <= n_words <= MOST_WORDS
        and text.count(",") >= n_words / 45
        and n_sentences >= n_words / 60
        and len(INITIALS_APART.findall(text)) <= 1
    )


def _is_statement(paragraph: str) -> bool:
    ends = re.search(r"[.!?\"\u201d]$", paragraph)
    return len(paragraph.split()) >= 8 and bool(ends) and not FOR_THE_PRESS.search(paragraph)


def presidents(data: bytes) -> Documents:
    """Read a zip of speeches from NLTK's data, each a text file with a paragraph in each line."""
    archive = ZipFile(BytesIO(data))
    names = sorted(name for name in archive.namelist() if name.endswith(".txt"))
    speeches = [decode(archive.read(name)).split("\n") for name in names]
    return [
        [STAGE_DIRECTION.sub("", line) for line in speech if not line.isupper()]
        for speech in speeches
    ]
