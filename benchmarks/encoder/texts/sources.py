"""The sources of text: where each is, how it is read, and what allows its use."""

from typing import NamedTuple

from .cleaning import CHAT, PROSE, Limits
from .readers import Reader
from .readers.books import openstax, standard_ebook
from .readers.chat import irc_log
from .readers.law import dc_section, opinion
from .readers.medicine import medquad
from .readers.speeches import federal_reserve, presidents, prime_minister, senator
from .readers.web import markdown


class Source(NamedTuple):
    """Files of a git repository that have one format and one licence.

    Attributes:
        name: Its name, also of the file of its texts.
        domain: What the texts are about, or where people write such.
        repository: OWNER/NAME.
        pattern: Regular expression of the paths of the files.
        read: Reads a file.
        licence: The licence of the texts.
        stated: Where the licence is stated, or what it follows from.
        cap: Number of words to stop after. Of a source that has it, the files are read in the
            order of their paths' hashes, which makes a sample of them.
        limits: What passes for prose.
        glue: What to put between the paragraphs of a text.
        minus: Sources before it, whose texts it may have as well. They are left out.
    """

    name: str
    domain: str
    repository: str
    pattern: str
    read: Reader
    licence: str
    stated: str
    cap: int | None = None
    limits: Limits = PROSE
    glue: str = " "
    minus: tuple[str, ...] = ()


US_GOVERNMENT = "public domain (work of the US government, 17 USC 105)"
OWN_LABELS = "the repository's CC BY-NC covers its own labels"

OTHERS = [
    Source(
        "senate_press",
        "news",
        "lintool/GrimmerSenatePressReleases",
        r"^raw/",
        senator,
        US_GOVERNMENT,
        "17 USC 105: statements of US senators' offices in their official duty; the repository "
        "states no licence",
        cap=4_000_000,
    ),
    Source(
        "pm_transcripts",
        "news",
        "wragge/pm-transcripts",
        r"^transcripts/transcript-\d+\.xml$",
        prime_minister,
        "CC BY 3.0 AU",
        "README.md of the repository; https://pmtranscripts.pmc.gov.au/copyright",
        cap=3_200_000,
    ),
    Source(
        "us_speeches",
        "news",
        "nltk/nltk_data",
        r"^packages/corpora/(state_union|inaugural)\.zip$",
        presidents,
        US_GOVERNMENT,
        "packages/corpora/state_union.xml and inaugural.xml of the repository (public domain)",
    ),
    Source(
        "digitalgov",
        "web",
        "GSA/digitalgov.gov",
        r"^content/(news|resources|guides)/.*\.md$",
        markdown,
        "public domain / CC0 1.0",
        "LICENSE.md of the repository",
    ),
    Source(
        "18f_blog",
        "web",
        "18F/18f.gsa.gov",
        r"^content/posts/.*\.md$",
        markdown,
        "public domain / CC0 1.0",
        "LICENSE.md of the repository",
        minus=("digitalgov",),
    ),
    Source(
        "us_appeals",
        "law",
        "chansooligans/Federal-Appellate-Court-Opinions-Text-Analysis",
        r"^(Midterm_Report|Archive/Progress_Reports)/data/\d+\.json$",
        opinion,
        US_GOVERNMENT,
        "17 USC 105 / government edicts doctrine (opinions of the US Court of Appeals for the "
        "First Circuit); texts from CourtListener",
    ),
    Source(
        "dc_code",
        "law",
        "DCCouncil/law-xml",
        r"^us/dc/council/code/titles/.*/sections/.*\.xml$",
        dc_section,
        "public domain (statutes; government edicts doctrine)",
        "government edicts doctrine; https://code.dccouncil.gov",
        cap=2_500_000,
    ),
    Source(
        "fed_speeches",
        "finance",
        "gtfintechlab/fomc-hawkish-dovish",
        r"^data/raw_data/speech/text/all/.*\.txt$",
        federal_reserve,
        US_GOVERNMENT,
        "17 USC 105 (speeches of Federal Reserve Board members, federalreserve.gov); " + OWN_LABELS,
    ),
    Source(
        "fomc_minutes",
        "finance",
        "gtfintechlab/fomc-hawkish-dovish",
        r"^data/raw_data/meeting_minutes/.*\.txt$",
        federal_reserve,
        US_GOVERNMENT,
        "17 USC 105 (minutes of the FOMC, federalreserve.gov); " + OWN_LABELS,
    ),
    Source(
        "openstax_economics",
        "finance",
        "openstax/osbooks-principles-economics-bundle",
        r"^modules/.*/index\.cnxml$",
        openstax,
        "CC BY 4.0",
        "LICENSE and collections/*.collection.xml of the repository",
    ),
    Source(
        "medquad",
        "medicine",
        "abachaa/MedQuAD",
        r"_QA(_XML)?/.*\.xml$",
        medquad,
        "CC BY 4.0 (texts of the NIH)",
        "LICENSE.txt and readme.txt of the repository",
    ),
    Source(
        "ubuntu_irc",
        "chat",
        "jkkummerfeld/irc-disentanglement",
        r"^data/.*\.raw\.txt$",
        irc_log,
        "CC BY 4.0",
        "LICENSE.md of the repository",
        limits=CHAT,
        glue="\n",
    ),
]

STANDARD_EBOOKS = [
    "agatha-christie_the-murder-of-roger-ackroyd",
    "arthur-conan-doyle_the-adventures-of-sherlock-holmes",
    "arthur-conan-doyle_the-memoirs-of-sherlock-holmes",
    "charles-darwin_the-voyage-of-the-beagle",
    "charles-dickens_bleak-house",
    "dorothy-l-sayers_whose-body",
    "edith-wharton_the-age-of-innocence",
    "edward-gibbon_the-history-of-the-decline-and-fall-of-the-roman-empire",
    "ernest-hemingway_the-sun-also-rises",
    "f-scott-fitzgerald_short-fiction",
    "f-scott-fitzgerald_the-great-gatsby",
    "fritz-leiber_short-fiction",
    "george-eliot_middlemarch",
    "h-p-lovecraft_short-fiction",
    "henry-james_the-portrait-of-a-lady",
    "herman-melville_moby-dick",
    "jane-austen_pride-and-prejudice",
    "john-dos-passos_manhattan-transfer",
    "leo-tolstoy_war-and-peace_louise-maude_aylmer-maude",
    "mark-twain_the-innocents-abroad",
    "o-henry_short-fiction",
    "p-g-wodehouse_love-among-the-chickens",
    "p-g-wodehouse_short-fiction",
    "philip-k-dick_short-fiction",
    "robert-e-howard_short-fiction",
    "robert-sheckley_short-fiction",
    "samuel-pepys_the-diary",
    "sherwood-anderson_winesburg-ohio",
    "sinclair-lewis_babbitt",
    "ulysses-s-grant_personal-memoirs-of-ulysses-s-grant",
]
NOT_CHAPTERS = (
    "colophon|imprint|titlepage|uncopyright|endnotes|loi|halftitlepage|dedication|epigraph|toc"
    "|glossary|appendix"
)


def _standard_ebook(book: str) -> Source:
    return Source(
        "se_" + book.replace("_", "-"),
        "fiction",
        f"standardebooks/{book}",
        rf"^src/epub/text/(?!({NOT_CHAPTERS})[^/]*$).*\.xhtml$",
        standard_ebook,
        "text in the US public domain, edition CC0 1.0",
        "LICENSE.md of the repository",
        cap=600_000,
    )


SOURCES = {source.name: source for source in [*OTHERS, *map(_standard_ebook, STANDARD_EBOOKS)]}
