"""CoNLL columns: a word and its tag on each line, an empty line after each sentence.

The scheme is IOB1, IOB2, BILUO, BIOES or BMES. The tags `?` and `-` mean that nothing is known of a
token, which is not the same as `O`; an entity that may continue in such a token is not known
either. Without -DOCSTART- lines each sentence is a document. The first document may lack its line.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

from spacy.tokens import Doc, Span

from ...common.errors import UserError
from .docs import DISPUTED
from .layout import UNKNOWN, has_column_of_tags
from .losses import SENTENCES, UNKNOWN_TOKENS, label_without_blanks
from .records import UNREADABLE, Findings, Offsets, Problem, RawMention, Record
from .registry import Docs, Format, register
from .rows import DOCSTART, QUOTING
from .sample import FileSample
from .settings import UTF8, ColumnSettings, FormatSettings
from .tokens import Sentence, documents_of

NO_DOCSTART = "_DOCSTART_"
WITHOUT_WORDS = "documents without words left out"
NOT_KNOWN_ANY_MORE = (
    "entities beside unknown tokens that are not known any more: write biluo or bioes"
)
BIOES_TO_BILUO = str.maketrans("ES", "LU")
FROM_BILUO = {
    "biluo": str.maketrans("", ""),
    "bioes": str.maketrans("LU", "ES"),
    "iob2": str.maketrans("LU", "IB"),
    "iob1": str.maketrans("LU", "IB"),
}


def read_columns(path: Path, settings: FormatSettings, findings: Findings) -> Iterator[Record]:
    """Read the documents of a file.

    Raises:
        UserError: If no line is a word with a tag, or the columns hold something else.
    """
    columns = settings.columns
    several = settings.docs.keeps_overlaps
    if len(columns.tags) > 1 and not several:
        raise UserError(
            "The entities of several tag columns may overlap: add --overlaps keep, or name one "
            "--tag-column."
        )
    # A byte order mark may be a word
    encoding = "utf8" if settings.encoding == UTF8 else settings.encoding
    with path.open(encoding=encoding, newline="") as file:
        docs = documents_of(path, file.read(), columns, findings, several)
    every = [sentence for _, sentences in docs for sentence in sentences]
    scheme = columns.scheme
    if scheme == "auto":
        scheme = scheme_of([tags for sentence in every for tags in tags_of(sentence)], path)
    for line, sentences in docs:
        yield record_of_tokens(path, line, sentences, scheme, columns)


def scheme_of(sentences: Sequence[Sequence[str]], path: Path) -> str:
    """Detect the tagging scheme, from the letters of tags and how entities start.

    Raises:
        UserError: If there are letters of two schemes.
    """
    letters = {tag[0] for tags in sentences for tag in tags}
    if letters & set("LU") and letters & set("ES"):
        raise UserError(
            f"{path} mixes tags of BILUO (L, U) and BIOES (E, S). Set one of them with --scheme."
        )
    if letters & set("LU"):
        return "biluo"
    if letters & set("ES"):
        return "bioes"
    starts = set()  # of entities that come after no other of their label
    for tags in sentences:
        for before, tag in zip(["O", *tags], tags):
            if tag[2:] and tag[2:] != before[2:] and before not in UNKNOWN:
                starts.add(tag[0])
    return "iob1" if starts == {"I"} else "iob2"


def record_of_tokens(
    path: Path, line: int, sentences: list[Sentence], scheme: str, settings: ColumnSettings
) -> Record:
    """Make a record of the tokens of a document and their tags.

    Args:
        path: The file.
        line: Where the document begins in it.
        sentences: The tokens. One without a word may be a part of an entity, but is left out.
        scheme: The tagging scheme.
        settings: Whether the file has parts of speech.
    """
    tokens = [token for sentence in sentences for token in sentence]
    # One without a word is no token, but may be a part of an entity
    widths = [len(token.word) + 1 if token.word else 0 for token in tokens]
    starts = list(accumulate(widths, initial=0))
    full = [[token for token in sentence if token.word] for sentence in sentences]
    with_words = [token for sentence in full for token in sentence]
    record = Record(
        f"{path}:{line}",
        text="".join(token.word + " " for token in with_words),
        words=[token.word for token in with_words],
        sent_starts=[i == 0 for sentence in full for i in range(len(sentence))],
        pos=None if settings.pos is None else [token.pos for token in with_words],
    )
    entities: list[RawMention] = []
    unknown: list[Offsets] = []
    problems: list[Problem] = []
    first = 0
    for sentence in sentences:
        for i, token in enumerate(sentence, start=first):
            if token.problem:
                where = (starts[i], starts[i + 1] - 1)
                kind = DISPUTED if token.is_disputed else UNREADABLE
                problems.append(Problem(kind, f"{path}:{token.line}", None, *where, token.problem))
        places = [f"{path}:{token.line}" for token in sentence]
        offsets = [(starts[i], starts[i + 1] - 1) for i in range(first, first + len(sentence))]
        for tags in tags_of(sentence):
            found = entities_of_tags(tags, offsets, record.text, scheme, places)
            entities += found[0]
            unknown += found[1]
            problems += found[2]
        first += len(sentence)
    return record._replace(
        entities=tuple(entities), unknown=tuple(unknown), problems=tuple(problems)
    )


def tags_of(sentence: Sentence) -> list[Sequence[str]]:
    """Return the tags of a sentence in each of the columns of tags."""
    return list(zip(*[token.tags for token in sentence]))


def entities_of_tags(
    tags: Sequence[str],
    offsets: Sequence[Offsets],
    text: str,
    scheme: str,
    places: Sequence[str],
) -> tuple[list[RawMention], list[Offsets], list[Problem]]:
    """Return what the tags of a sentence say.

    Args:
        tags: The tag of each token.
        offsets: Where it is in the text.
        text: The text.
        scheme: The tagging scheme.
        places: Where each token is in the file.

    Returns:
        The entities, the parts of the text of which nothing is known, and what is wrong with the
        rest.
    """
    entities, problems = [], []
    spans, no_tag = spans_of(tags)
    unknown = [offsets[i] for i in no_tag]
    for start, end, label in spans:
        where = (offsets[start][0], offsets[end - 1][1])
        covered, found = text[slice(*where)], " ".join(tags[start:end])
        if not covered:
            message = f"There is no word that is tagged {found}."
            problems.append(Problem("no word", places[start], None, None, None, message))
        elif is_valid(tags, start, end, scheme):
            entities.append(RawMention((where,), label))
        else:
            message = f"{covered!r} is tagged {found}, which is no entity of {scheme}."
            if scheme == "iob2" and found.startswith("I"):
                message += " If an entity may begin with I, add --scheme iob1."
            problems.append(Problem("invalid tags", places[start], None, *where, message))
            unknown.append(where)
    return entities, unknown, problems


def spans_of(tags: Sequence[str]) -> tuple[list[tuple[int, int, str]], list[int]]:
    """Return the entities of a sentence, as start, end and label, and its unknown tokens."""
    tags = _translated(tags, BIOES_TO_BILUO)
    spans, unknown = [], [i for i, tag in enumerate(tags) if tag in UNKNOWN]
    start = 0
    while start < len(tags):
        label, end = tags[start][2:], start + 1
        if not label:
            start = end
            continue
        while tags[end - 1][0] not in "LU" and end < len(tags) and tags[end][2:] == label:
            if tags[end][0] not in "IL":
                break
            end += 1
        # Without a tag that says so, it may have begun or may go on in a token of no tag
        begins = tags[start][0] in "BU" or start == 0 or tags[start - 1] not in UNKNOWN
        ends = tags[end - 1][0] in "LU" or end == len(tags) or tags[end] not in UNKNOWN
        if begins and ends:
            spans.append((start, end, label))
        else:
            unknown += range(start, end)
        start = end
    return spans, unknown


def _translated(tags: Sequence[str], letters: dict[int, int]) -> list[str]:
    """The tags with other letters in front of their labels."""
    return [tag[0].translate(letters) + tag[1:] for tag in tags]


def is_valid(tags: Sequence[str], start: int, end: int, scheme: str) -> bool:
    """Tell whether the tags of an entity are valid in a scheme."""
    letters = "".join(tag[0] for tag in tags[start:end])
    whole = _biluo_letters(end - start).translate(FROM_BILUO[scheme])
    return letters == whole or (scheme == "iob1" and letters == "I" + whole[1:])


def _biluo_letters(n_tokens: int) -> str:
    """The letters of an entity's tags."""
    return "U" if n_tokens == 1 else "B" + "I" * (n_tokens - 2) + "L"


def write_columns(docs: Docs, path: Path, settings: FormatSettings, findings: Findings) -> None:
    """Write a word and its tag on each line. White space is left out: columns can't hold it.

    The scheme is IOB2 if none is asked for, or BILUO if there are tokens of which nothing is known.
    """
    separator = settings.columns.separator or "\t"
    written = [list(_tagged_sentences(doc, separator, findings)) for doc in docs]
    findings.notes[WITHOUT_WORDS] += written.count([])
    scheme = settings.columns.scheme
    if scheme == "auto":
        known = all(tag not in UNKNOWN for doc in written for tagged in doc for _, tag in tagged)
        scheme = "iob2" if known else "biluo"
    of_sentences = all(len(sentences) <= 1 for sentences in written)
    blocks: list[str] = []
    for sentences in written:
        if sentences and not of_sentences:
            blocks.append(DOCSTART + separator + "O")
        for tagged in sentences:
            tags = in_scheme([tag for _, tag in tagged], scheme, findings)
            words = [_quoted(word, separator) for word, _ in tagged]
            lines = [word + separator + tag for word, tag in zip(words, tags)]
            blocks.append("\n".join(lines))
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf8")


def _tagged_sentences(
    doc: Doc, separator: str, findings: Findings
) -> Iterator[list[tuple[str, str]]]:
    """The words and BILUO tags of each sentence."""
    labels = {ent.label_: label_without_blanks(ent.label_, findings, separator) for ent in doc.ents}
    tags = tags_in_biluo(doc, labels, findings)
    # Where there are quotes, they guard the separator
    unsafe = re.compile(r"[ \t\r\n]+" + f"|{re.escape(separator)}" * (separator not in QUOTING))
    for sentence in _sentences(doc, findings):
        tokens = [token for token in sentence if not token.is_space]
        findings.notes["tokens of white space left out"] += len(sentence) - len(tokens)
        if tokens:
            words = [unsafe.sub("_", token.text) for token in tokens]
            changed = sum(word != token.text for word, token in zip(words, tokens))
            findings.notes["blanks inside of a token written as _"] += changed
            # Which would begin a document
            findings.notes[f"words {DOCSTART} written as {NO_DOCSTART}"] += words.count(DOCSTART)
            words = [NO_DOCSTART if word == DOCSTART else word for word in words]
            yield [(word, tags[token.i]) for word, token in zip(words, tokens)]


def _sentences(doc: Doc, findings: Findings) -> Iterator[Span]:
    """The sentences of a doc. One that begins inside of an entity is a part of the one before."""
    inside = {token.i for ent in doc.ents for token in ent[1:]}
    starts = [token.i for token in doc if token.is_sent_start and token.i]
    kept = [start for start in starts if start not in inside]
    findings.notes["sentence boundaries inside of entities left out"] += len(starts) - len(kept)
    for start, end in pairwise([0, *kept, len(doc)]):
        yield doc[start:end]


def _quoted(word: str, separator: str) -> str:
    """A word as a cell: in quotes as of CSV if the reader would take it for something else."""
    if separator in QUOTING and (separator in word or '"' in word):
        return '"' + word.replace('"', '""') + '"'
    return word


def tags_in_biluo(doc: Doc, labels: Mapping[str, str], findings: Findings) -> list[str]:
    """Return the BILUO tags of a doc, `?` for tokens that are not annotated.

    Args:
        doc: The doc.
        labels: What the tags have for each label.
        findings: Gets the number of entities of white space, which are left out.
    """
    tags = ["O" if token.ent_iob else UNKNOWN[0] for token in doc]
    for ent in doc.ents:
        words = [token.i for token in ent if not token.is_space]  # which alone are written
        findings.notes["entities of white space alone left out"] += not words
        for i, letter in zip(words, _biluo_letters(len(words))):
            tags[i] = f"{letter}-{labels[ent.label_]}"
    return tags


def in_scheme(tags: Sequence[str], scheme: str, findings: Findings) -> list[str]:
    """Convert BILUO tags to another scheme."""
    converted = _translated(tags, FROM_BILUO[scheme])
    if scheme in ("biluo", "bioes"):
        return converted
    lost = sum(tag[0] in "UL" and after in UNKNOWN for tag, after in pairwise(tags))
    findings.notes[NOT_KNOWN_ANY_MORE] += lost
    if scheme == "iob2":
        return converted
    # B only where it parts two entities of a label
    return [
        "I" + tag[1:] if tag[0] == "B" and before[2:] != tag[2:] else tag
        for before, tag in zip(["O", *converted], converted)
    ]


def _detect(sample: FileSample) -> bool:
    return sample.value is None and has_column_of_tags(sample.lines)


_SUFFIXES = (".conll", ".conllu", ".iob", ".bio", ".bioes", ".bmes", ".tsv", ".csv", ".txt")
_KEPT = {UNKNOWN_TOKENS, SENTENCES}
register(Format("conll", read_columns, write_columns, _SUFFIXES, keeps=_KEPT, detect=_detect))
