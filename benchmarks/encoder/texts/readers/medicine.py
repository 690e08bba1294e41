"""Medicine: answers to patients' questions."""

import html
import re

from . import Documents
from .markup import decode

SUMMARY = re.compile(r"^\s*Key Points.*?\n\s*\n", re.DOTALL)
BLOCK_END = re.compile(r"\n\s*\n|\s{6,}(?=[A-Z])")  # line breaks, some of which are spaces now
LIST_MARK = re.compile(r"\s+-\s+(?=[A-Z(])")
FIRST_LIST_MARK = re.compile(r"^\s*-\s+")
ASIDE = re.compile(r"\((?:See|Watch|View)[^()]*\)")
OF_THE_PAGE = re.compile(
    r"(?i)click (?:here|on)|watch the video|to enlarge|HPO ID|Show More|For more information"
    r"|Source:|National Library of Medicine|^These resources|Genetic Testing Registry"
    r"|Human Phenotype Ontology|Medical Terms Other Names|provides the following"
)


def medquad(data: bytes) -> Documents:
    """Read a file (XML) of MedQuAD: the answers, without lists of links and of terms."""
    answers = re.findall(r"(?s)<Answer>(.*?)</Answer>", decode(data))
    return [_paragraphs(SUMMARY.sub("", html.unescape(answer))) for answer in answers]


def _paragraphs(answer: str) -> list[str]:
    blocks = []
    for block in BLOCK_END.split(answer):
        block = FIRST_LIST_MARK.sub("", LIST_MARK.sub(" ", block))
        blocks.append(ASIDE.sub("", block))
    return [block for block in blocks if not OF_THE_PAGE.search(block)]
