"""The page of a report: rows of its tables, and docs with their entities marked."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ...common.pages import render, text_window
from .mentions import Compared, Mention
from .pictures import labels_picture, reliability_picture, threshold_picture

N_COLORS = 10
MATRIX_SIZE = 20  # labels of the confusion matrix; the others share a row and a column
RARE_LABELS = "(other)"

CharSpan = tuple[int, int]  # first character, end
Hit = tuple[int, int, str]  # first character, end, label


class TextPiece(NamedTuple):
    """A piece of a text: an entity, or what is between two of them."""

    text: str
    label: str = ""  # with its probability, if known
    color: int = 0
    hit: bool = False  # whether it is what the row is about


MarkedText = tuple[str, list[TextPiece]]  # whose entities are marked, and the text


def report_page(
    report: dict[str, Any],
    docs: Sequence[Compared],
    baseline: Sequence[Compared] | None = None,
    package: str = __package__,
    template: str = "report.html.jinja",
) -> str:
    """Render the HTML page.

    Args:
        report: The content of the JSON file.
        docs: The docs that it is about.
        baseline: The same docs with the baseline's entities, if there is one.
        package: Name of the package whose folder holds the template.
        template: File name of the template: that of the report, or one that extends it.
    """
    return render(
        (package, __package__),
        template,
        report=report,
        pictures=_pictures(report),
        rows=DocRows(report["labels"], docs, baseline),
        confusion=confusion_rows(report),
    )


def _pictures(report: dict[str, Any]) -> dict[str, str]:
    systems = [("pipeline", report)]
    if report["baseline"]:
        systems.append(("baseline", report["baseline"]))
    found = {"labels": labels_picture(report["labels"], systems)}
    if report["probabilities"]:
        known = [(name, of["probabilities"]) for name, of in systems if of["probabilities"]]
        found["reliability"] = reliability_picture(known)
        found["threshold"] = threshold_picture(report["probabilities"])
    return found


def confusion_rows(report: dict[str, Any]) -> dict[str, Any]:
    """Return the confusion matrix, with rare labels put together.

    Returns:
        The names of rows and columns, and rows of numbers, each with its share of its row.
    """
    shown = report["labels"][:MATRIX_SIZE]
    rest = [RARE_LABELS] if len(report["labels"]) > MATRIX_SIZE else []
    names = [*shown, *rest, "none"]
    places: dict[str | None, int] = {None: len(names) - 1}  # a label may be called "none"
    places.update((label, min(at, len(shown))) for at, label in enumerate(report["labels"]))
    counts = [[0] * len(names) for _ in names]
    for each in report["confusion"]:
        counts[places[each["gold"]]][places[each["predicted"]]] += each["n"]
    rows = [
        (name, [(number, number / (sum(numbers) or 1)) for number in numbers])
        for name, numbers in zip(names, counts)
    ]
    return {"names": names, "rows": rows}


def rows_without_overlap(mentions: Iterable[Mention]) -> list[list[Mention]]:
    """Distribute entities over rows, so that those of a row don't overlap: as few as possible.

    Args:
        mentions: The entities.

    Returns:
        The entities of each row, in order. There is at least one row.
    """
    rows: list[list[Mention]] = [[]]
    for mention in sorted(mentions, key=lambda each: (each.start_char, -each.end_char)):
        free = (row for row in rows if not row or row[-1].end_char <= mention.start_char)
        row = next(free, None)
        if row is None:
            rows.append([mention])
        else:
            row.append(mention)
    return rows


def label_colors(labels: Sequence[str]) -> dict[str, int]:
    """Return the number of each label's colour."""
    return {label: place % N_COLORS for place, label in enumerate(labels)}


def marked_rows(
    name: str,
    text: str,
    mentions: Iterable[Mention],
    window: CharSpan,
    hits: Collection[Hit],
    colors: Mapping[str, int],
) -> Iterator[MarkedText]:
    """Yield a text with its entities marked, once more for those that overlap others.

    Args:
        name: Whose entities they are.
        text: The text.
        mentions: The entities.
        window: The part of the text to show.
        hits: The entities to outline.
        colors: The number of each label's colour.
    """
    first, last = window
    shown = [each for each in mentions if each.start_char < last and each.end_char > first]
    for number, row in enumerate(rows_without_overlap(shown)):
        yield (name if number == 0 else ""), _marked(text, row, window, hits, colors)


def _marked(
    text: str,
    mentions: Iterable[Mention],
    window: CharSpan,
    hits: Collection[Hit],
    colors: Mapping[str, int],
) -> list[TextPiece]:
    first, last = window
    pieces = [TextPiece("… " if first else "")]
    at = first
    for mention in mentions:
        start, end = max(mention.start_char, first), min(mention.end_char, last)
        label = mention.label
        if mention.probability is not None:
            label = f"{label} {mention.probability:.2f}"
        is_hit = (mention.start_char, mention.end_char, mention.label) in hits
        pieces.append(TextPiece(text[at:start]))
        pieces.append(TextPiece(text[start:end], label, colors[mention.label], is_hit))
        at = end
    return [*pieces, TextPiece(text[at:last]), TextPiece(" …" if last < len(text) else "")]


def _window(text: str, hits: Iterable[Hit]) -> CharSpan:
    return text_window(text, [(start, end) for start, end, _ in hits])


class DocRows:
    """Texts with their entities marked, one row for gold and one for each pipeline.

    Args:
        labels: All labels, which get their colours in this order.
        docs: The docs.
        baseline: The same docs with the baseline's entities, if there is one.
    """

    def __init__(
        self, labels: Sequence[str], docs: Sequence[Compared], baseline: Sequence[Compared] | None
    ) -> None:
        self.colors = label_colors(labels)
        self.docs = {doc.number: doc for doc in docs}
        self.baseline = {doc.number: doc for doc in baseline or ()}

    def of_error(self, error: dict[str, Any]) -> list[MarkedText]:
        """Return the rows of an error, as it is in the report."""
        doc = self.docs[error["doc"]]
        gold, predicted = (
            {(each["start"], each["end"], each["label"]) for each in error[side]}
            for side in ("gold", "predicted")
        )
        window = _window(doc.text, gold | predicted)
        return [
            *self._rows("gold", doc.text, doc.gold, window, gold),
            *self._rows("predicted", doc.text, doc.predicted, window, predicted),
        ]

    def of_change(self, changed: dict[str, Any]) -> list[MarkedText]:
        """Return the rows of a doc in which two pipelines differ, as it is in the report."""
        doc, other = self.docs[changed["doc"]], self.baseline[changed["doc"]]
        keys = {mention.key for mention in doc.predicted} ^ {m.key for m in other.predicted}
        ours, theirs = (
            {(m.start_char, m.end_char, m.label) for m in mentions if m.key in keys}
            for mentions in (doc.predicted, other.predicted)
        )
        window = _window(doc.text, ours | theirs)
        return [
            *self._rows("gold", doc.text, doc.gold, window, set()),
            *self._rows("baseline", doc.text, other.predicted, window, theirs),
            *self._rows("pipeline", doc.text, doc.predicted, window, ours),
        ]

    def _rows(
        self,
        name: str,
        text: str,
        mentions: Iterable[Mention],
        window: CharSpan,
        hits: set[Hit],
    ) -> Iterator[MarkedText]:
        return marked_rows(name, text, mentions, window, hits, self.colors)
