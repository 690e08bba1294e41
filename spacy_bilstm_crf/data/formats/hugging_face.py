"""Data sets of Hugging Face: Parquet, JSON, and the Arrow files of `datasets.save_to_disk`.

Each row has `tokens`, and `ner_tags` that are integers with names (see `class_labels`) or strings.
The scheme is one of those of columns; of labels without a prefix, neighbours are one entity. The
integers -100 and -1, and null, mean that nothing is known of a token. A row may also have a text
and a list of spans: `{"start": 0, "end": 3, "label": "PER"}`. Other columns become the document's
meta, but for lists.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from spacy.tokens import Doc

from ...common.errors import UserError, check_installed
from .class_labels import CARD, INFO, INFOS, SCHEMA_KEY, feature_of, names_beside, names_in_metadata
from .columns import in_scheme, record_of_tokens, scheme_of, tags_in_biluo
from .docs import ID, META, data_of
from .jsonl import as_id, field, parsed_json, text_of, write_json_lines
from .layout import UNKNOWN
from .losses import UNKNOWN_TOKENS, meta_without
from .records import UNREADABLE, Findings, Problem, RawMention, Record
from .registry import Docs, Format, register
from .sample import FileSample
from .settings import ColumnSettings, FormatSettings
from .tables import (
    ARROW_MAGIC,
    PARQUET_MAGIC,
    SAVED,
    SPLITS,
    DataTable,
    TableRow,
    is_saved,
    table_of,
)
from .tokens import BMES_TO_BIOES, Token

WORD_COLUMNS = ("tokens", "words")
TAG_COLUMNS = ("ner_tags", "ner_labels", "ner", "tags", "labels", "ner_tags_index")
SPAN_COLUMNS = ("entities", "spans", "privacy_mask")
# Keys of a span
SPAN_STARTS, SPAN_ENDS = ("start", "start_offset", "start_char"), ("end", "end_offset", "end_char")
SPAN_LABELS, SPAN_SCORES = ("label", "type", "entity_type"), ("confidence", "score")
IGNORED = (-100, -1)  # of a loss function; of a ClassLabel without annotation
PREFIXED = re.compile(r"[BILUESMW]-.+", re.DOTALL)
# Tags of no scheme, of which labels would be made that nobody meant: B, B_PER, b-per, PER-B
ODD = re.compile(r"[BILUES]|[BILUES][-_:/ ].*|.*[-_:/ ][BILUES]", re.DOTALL | re.IGNORECASE)
LETTERS = {"iob1": "BI", "iob2": "BI", "biluo": "BILU", "bioes": "BIES"}
OF_ANNOTATE = "_manifest.json"  # in a folder that `annotate` has written, whose spans are read
ROWS_TO_LOOK_AT = 1000
PARQUET_FILE, JSON_FILES = ".parquet", (".jsonl", ".json")
DTYPES = {"double": "float64"}  # of Arrow, as `datasets` names them
WITHOUT_PREFIX = "documents with labels in place of tags, of which neighbours are one entity"

Names = Callable[[], Sequence[str]]  # of integers


class Tagging:
    """The tags of a column: what its values stand for, and the scheme.

    Args:
        table: The rows.
        column: The column of tags.
        scheme: One of `TAG_SCHEMES`.
        names: Returns the names of integers.

    Attributes:
        path: The file.
        scheme: The scheme, detected if it is not named.
        is_plain: Whether there are labels in place of tags.

    Raises:
        UserError: If integers have no names, or there are tags of no scheme that is known.
    """

    def __init__(self, table: DataTable, column: str, scheme: str, names: Names) -> None:
        self.path, self.column, self.names = table.path, column, names
        lists = {
            tuple(value if isinstance(value, str | int) else None for value in values)
            for values in _values(table, column)
            if isinstance(values, list)
        }
        if any(_is_integer(value) for values in lists for value in values):
            names()  # there must be some
        sentences = [[self._readable(value) for value in values] for values in lists]
        tags = set(chain.from_iterable(sentences)) - {"O", *UNKNOWN}
        self.is_plain = bool(tags) and not any(map(PREFIXED.fullmatch, tags))
        if self.is_plain:
            self._check_plain(tags, sentences)
        self.scheme = "iob1" if self.is_plain else scheme
        if self.scheme == "auto":
            known = [[self._in_scheme(tag) or UNKNOWN[0] for tag in one] for one in sentences]
            self.scheme = scheme_of(known, table.path)

    def token(self, line: int, word: str, value: Any) -> Token:
        """Return a token with its tag in the scheme.

        Raises:
            UserError: If a value stands for no tag.
        """
        tag = self._tag(value)
        written = self._in_scheme(tag)
        if written is not None:
            return Token(line, word, (written,))
        message = f"{word!r:.60} is tagged {tag!r:.60}, but must be O, B-X, I-X or the like."
        return Token(line, word, (UNKNOWN[0],), problem=message)

    def _tag(self, value: Any) -> str:
        if value is None or (value in IGNORED and _is_whole(value)):
            return UNKNOWN[0]
        tag = _named(value, self.column, self.names)
        if not isinstance(tag, str) or not tag:
            raise UserError(f"{self.column} has {value!r:.80}, which is no tag.")
        return tag

    def _readable(self, value: Any) -> str:
        try:
            return self._tag(value)
        except UserError:  # a problem of its own when it is read
            return UNKNOWN[0]

    def _in_scheme(self, tag: str) -> str | None:
        """A tag as the scheme has it; None if it has none."""
        if tag == "O" or tag in UNKNOWN:
            return tag
        if self.is_plain:
            return f"I-{tag}"
        return tag[0].translate(BMES_TO_BIOES) + tag[1:] if PREFIXED.fullmatch(tag) else None

    def _check_plain(self, tags: set[str], sentences: Iterable[Sequence[str]]) -> None:
        where = f"{self.path}: {self.column} has {', '.join(sorted(tags)[:3])}"
        if not any("O" in sentence for sentence in sentences):
            raise UserError(f"{where}, but no O, so that these are no tags of entities.")
        if all(map(ODD.fullmatch, tags)):
            raise UserError(
                f"{where}, but tags must be like B-PER, or labels alone. If the file has integers, "
                f"name them with --labels O,B-PER,I-PER."
            )


def _values(table: DataTable, column: str) -> Iterator[Any]:
    for found in table.rows([column]):
        if not isinstance(found, Problem):
            yield found[1].get(column)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    """Tell whether a value is an integer that needs a name."""
    return _is_whole(value) and value not in IGNORED


def _names(
    table: DataTable, column: str, labels: Sequence[str], findings: Findings
) -> Sequence[str]:
    """The names of the integers of a column.

    Raises:
        UserError: If they have none.
    """
    own = names_in_metadata(table.metadata, column)
    names = labels or own or names_beside(table.path, column)
    findings.notes[f"files with other names in {column}, replaced by --labels"] += (
        own is not None and list(names or ()) != own
    )
    if not names:
        raise UserError(
            f"{table.path}: {column} has integers, but no file says what they stand for. Give "
            f"their names in order, such as --labels O,B-PER,I-PER."
        )
    return names


def _named(value: Any, column: str, names: Names) -> Any:
    """The name of an integer, or a value that is none as it is."""
    if not _is_whole(value):
        return value
    if not 0 <= value < len(names()):
        raise UserError(f"{column} has {value}, but there are names for 0 to {len(names()) - 1}.")
    return names()[value]


class Columns(NamedTuple):
    """The columns of annotation: words and their tags, or a text and its spans."""

    content: str
    annotation: str
    is_tagged: bool

    @classmethod
    def of(cls, row: TableRow, text_key: str) -> "Columns | None":
        """Choose columns by the values of a row; None if it has none of either kind."""
        for words in WORD_COLUMNS:
            n_words = len(row[words]) if _is_list_of(row.get(words), str) else 0
            for tags in TAG_COLUMNS if n_words else ():
                is_it = _is_list_of(row.get(tags), str, int, type(None))
                if is_it and (tags.startswith("ner") or len(row[tags]) == n_words):
                    return cls(words, tags, is_tagged=True)
        spans = next((x for x in SPAN_COLUMNS if _spans_of(row.get(x)) is not None), None)
        if spans is None or not isinstance(row.get(text_key), str):
            return None
        return cls(text_key, spans, is_tagged=False)


def _is_list_of(value: Any, *kinds: type) -> bool:
    return isinstance(value, list) and all(isinstance(one, kinds) for one in value)


def _spans_of(value: Any) -> list[Any] | None:
    """Spans, also those of an old version: an object of lists. None if it is something else."""
    if isinstance(value, dict) and value and all(isinstance(x, list) for x in value.values()):
        value = [dict(zip(value, one)) for one in zip(*value.values())]
    return value if isinstance(value, list) and all(map(_is_span, value)) else None


def _is_span(value: Any) -> bool:
    keys = (SPAN_STARTS, SPAN_ENDS, SPAN_LABELS)
    return isinstance(value, dict) and all(not value.keys().isdisjoint(of) for of in keys)


def read_hugging_face(
    path: Path, settings: FormatSettings, findings: Findings
) -> Iterator[Record | Problem]:
    """Read the rows of a file, or of a folder that `datasets.save_to_disk` has written.

    Raises:
        UserError: If it has none of the columns, or nothing says what integers stand for.
    """
    table = table_of(path, settings)
    columns = _columns(table, settings)
    names = cache(partial(_names, table, columns.annotation, settings.labels, findings))
    if columns.is_tagged:
        tagging = Tagging(table, columns.annotation, settings.columns.scheme, names)
        make: Callable[[TableRow, str, int], Record] = partial(_tagged, columns, tagging, findings)
    else:
        make = partial(_spanned, columns, names)
    for number, found in enumerate(table.rows(None), start=1):
        if isinstance(found, Problem):
            yield found
            continue
        place, row = found
        try:
            record = make(row, place, number)
            id_, meta = row.get(ID), _meta(row, columns, findings)
        except UserError as error:
            yield Problem(UNREADABLE, place, None, None, None, str(error))
            continue
        yield record._replace(id=as_id(id_), meta=meta)


def _columns(table: DataTable, settings: FormatSettings) -> Columns:
    first = problem = None
    for found in islice(table.rows(None), ROWS_TO_LOOK_AT):
        if isinstance(found, Problem):
            problem = problem or found
            continue
        columns = Columns.of(found[1], settings.text_key)
        if columns is not None:
            return columns
        first = first or found[1]
    if first is None and problem is not None:
        raise UserError(f"{problem.place}: {problem.message}")
    if first is None:
        raise UserError(f"{table.path} has no rows.")
    if first.keys() >= {WORD_COLUMNS[0], TAG_COLUMNS[0]}:  # in which there is no word
        return Columns(WORD_COLUMNS[0], TAG_COLUMNS[0], is_tagged=True)
    raise UserError(
        f"{table.path} has neither {WORD_COLUMNS[0]} with {TAG_COLUMNS[0]}, lists of one length, "
        f"nor {settings.text_key!r} (--text-key) with {SPAN_COLUMNS[0]}, but: "
        f"{', '.join(first):.200}."
    )


def _tagged(
    columns: Columns, tagging: Tagging, findings: Findings, row: TableRow, place: str, number: int
) -> Record:
    words, values = row.get(columns.content), row.get(columns.annotation)
    if not _is_list_of(words, str):
        raise UserError(f"{columns.content} must be a list of strings, but is {words!r:.80}.")
    assert words is not None
    values = [None] * len(words) if values is None else values
    if not isinstance(values, list) or len(values) != len(words):
        n = len(values) if isinstance(values, list) else repr(values)[:80]
        raise UserError(f"There are {len(words)} {columns.content}, but {columns.annotation}: {n}.")
    tokens = [tagging.token(number, word, value) for word, value in zip(words, values)]
    findings.notes["tokens without a character left out"] += words.count("")
    tags = {tag for token in tokens for tag in token.tags}
    findings.notes[WITHOUT_PREFIX] += tagging.is_plain and any(
        x not in ("O", *UNKNOWN) for x in tags
    )
    record = record_of_tokens(tagging.path, number, [tokens], tagging.scheme, ColumnSettings())
    return record._replace(
        place=place,
        sent_starts=None,  # a row may be a document
        problems=tuple(problem._replace(place=place) for problem in record.problems),
        is_annotated=not tags <= set(UNKNOWN) or not tokens,
    )


def _spanned(columns: Columns, names: Names, row: TableRow, place: str, number: int) -> Record:
    values = row.get(columns.annotation)
    spans = _spans_of(values)
    if spans is None and values is not None:
        raise UserError(f"{columns.annotation} must be a list of spans, but is {values!r:.80}.")
    return Record(
        place,
        text_of(row, columns.content),
        entities=tuple(
            RawMention(
                ((field(span, *SPAN_STARTS), field(span, *SPAN_ENDS)),),
                _named(field(span, *SPAN_LABELS), columns.annotation, names),
                next((span[key] for key in SPAN_SCORES if key in span), None),
                span.get("text"),
            )
            for span in spans or ()
        ),
        is_annotated=spans is not None,
    )


def _meta(row: TableRow, columns: Columns, findings: Findings) -> dict[str, Any]:
    """The values of all other columns, but for lists."""
    meta = {}
    for key, value in row.items():
        if key in (ID, columns.content, columns.annotation) or value is None:
            continue
        if isinstance(value, list | dict | bytes):
            findings.notes[f"lists of the column {key!r:.60} left out"] += 1
        else:
            meta[key] = value
    found: dict[str, Any] = parsed_json(json.dumps(meta, default=str)) if meta else {}
    return found


def _detect(sample: FileSample) -> bool:
    path = sample.path
    if path.is_dir():
        return is_saved(path) or (path / SPLITS).is_file()
    if not sample.start.startswith((*PARQUET_MAGIC, *ARROW_MAGIC)):
        columns = Columns.of(sample.object, sample.settings.text_key)
        return columns is not None and columns.is_tagged
    if find_spec("pyarrow") is None:  # reading says so
        return True
    try:
        table = table_of(path, sample.settings)
        _columns(table, sample.settings)
    except UserError:
        return False
    return True


def complete_labels(docs: Iterable[Doc], settings: FormatSettings) -> FormatSettings:
    """Return settings with the tags of all docs in the order of their integers.

    Args:
        docs: All docs that are written, to whatever files.
        settings: Settings, which may have the tags already.
    """
    scheme, labels, is_known = settings.columns.scheme, set(), True
    for doc in docs:
        labels |= {ent.label_ for ent in doc.ents}
        is_known = is_known and all(token.ent_iob for token in doc)
    if scheme == "auto" and settings.labels:
        letters = {tag[0] for tag in settings.labels if PREFIXED.fullmatch(tag)}
        named = (name for name, of_scheme in LETTERS.items() if letters <= set(of_scheme))
        scheme = "iob2" if letters <= {"B", "I"} else next(named, "bioes")
    elif scheme == "auto":
        # Of IOB nobody can say whether an entity goes on in a token that is not known
        scheme = "iob2" if is_known else "bioes"
    tags = [f"{letter}-{label}" for label in sorted(labels) for letter in LETTERS[scheme]]
    return settings._replace(
        labels=settings.labels or ("O", *tags), columns=settings.columns._replace(scheme=scheme)
    )


def write_hugging_face(
    docs: Docs, path: Path, settings: FormatSettings, findings: Findings
) -> None:
    """Write a row for each doc: Parquet with integers and their names, or JSON lines with strings.

    White space is left out, and -100, in JSON null, stands for a token of which nothing is known.

    Raises:
        UserError: If the file is to be of another kind, or the names of integers lack a tag.
    """
    if settings.suffix not in ("", PARQUET_FILE, *JSON_FILES):
        endings = ", ".join((PARQUET_FILE, *JSON_FILES))
        raise UserError(
            f"{settings.suffix} files are not written: name one that ends in {endings}."
        )
    is_lines = settings.suffix in JSON_FILES
    if not is_lines:
        check_installed("bulk", "pyarrow")
    every = list(docs)
    settings = complete_labels(every, settings)
    rows = [_row(doc, settings, findings) for doc in every]
    columns = _columns_of_rows(rows, findings)
    if is_lines:
        write_json_lines(path, _objects(columns, len(rows)))
    else:
        _write_parquet(columns, settings.labels, path)


def _row(doc: Doc, settings: FormatSettings, findings: Findings) -> TableRow:
    words = [token for token in doc if not token.is_space]
    findings.notes["tokens of white space left out"] += len(doc) - len(words)
    tags = tags_in_biluo(doc, {ent.label_: ent.label_ for ent in doc.ents}, findings)
    tags = in_scheme([tags[token.i] for token in words], settings.columns.scheme, findings)
    about = data_of(doc)
    return {
        ID: about.id,
        WORD_COLUMNS[0]: [token.text for token in words],
        TAG_COLUMNS[0]: [None if tag in UNKNOWN else tag for tag in tags],
        **meta_without(about.meta, {ID, WORD_COLUMNS[0], TAG_COLUMNS[0]}, findings),
    }


def _columns_of_rows(rows: Sequence[TableRow], findings: Findings) -> dict[str, list[Any]]:
    """The values of each column that has some: those of meta of one type, or else as JSON."""
    columns = {}
    for name in dict.fromkeys(chain.from_iterable(rows)):
        values = [row.get(name) for row in rows]
        types = {type(value) for value in values if value is not None}
        if name not in (WORD_COLUMNS[0], TAG_COLUMNS[0]) and not _is_of_one_type(types):
            values = [None if value is None else json.dumps(value) for value in values]
            n = len(values) - values.count(None)
            findings.notes[f"values of meta {name!r:.60} written as JSON"] += n
        if types:
            columns[name] = values
    return columns


def _is_of_one_type(types: set[type]) -> bool:
    return types in ({str}, {bool}) or types <= {int, float}


def _objects(columns: Mapping[str, Sequence[Any]], n_rows: int) -> Iterator[TableRow]:
    for i in range(n_rows):
        row = {name: values[i] for name, values in columns.items()}
        yield {name: value for name, value in row.items() if value is not None}


def _write_parquet(columns: Mapping[str, Sequence[Any]], labels: Sequence[str], path: Path) -> None:
    """Write columns, with the names of the integers of tags in the metadata of the schema.

    Raises:
        UserError: If a tag has no integer.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    integers: dict[str | None, int] = {label: i for i, label in enumerate(labels)}
    integers[None] = IGNORED[0]
    lacking = sorted(set(chain.from_iterable(columns[TAG_COLUMNS[0]])) - integers.keys())
    if lacking:
        raise UserError(f"--labels lacks {', '.join(lacking)}: add it, or leave out the option.")
    numbers = [[integers[tag] for tag in tags] for tags in columns[TAG_COLUMNS[0]]]
    types = {WORD_COLUMNS[0]: pa.list_(pa.string()), TAG_COLUMNS[0]: pa.list_(pa.int64())}
    arrays = {
        name: pa.array(values, types.get(name))
        for name, values in {**columns, TAG_COLUMNS[0]: numbers}.items()
    }
    features: dict[str, Any] = {
        name: {"dtype": DTYPES.get(str(array.type), str(array.type)), "_type": "Value"}
        for name, array in arrays.items()
    }
    features[WORD_COLUMNS[0]] = {
        "feature": {"dtype": "string", "_type": "Value"},
        "_type": "Sequence",
    }
    features[TAG_COLUMNS[0]] = feature_of(list(labels))
    metadata = {SCHEMA_KEY: json.dumps({"info": {"features": features}})}
    pq.write_table(pa.table(arrays).replace_schema_metadata(metadata), path)


register(
    Format(
        "hugging-face",
        read_hugging_face,
        write_hugging_face,
        (PARQUET_FILE, *JSON_FILES, ".arrow"),
        keeps={ID, META, UNKNOWN_TOKENS},
        detect=_detect,
        is_data_set=is_saved,
        beside={INFO, INFOS, CARD, SAVED, SPLITS, OF_ANNOTATE},
        uses_labels=True,
        prepare=complete_labels,
    )
)
