"""The report as one HTML page, which needs nothing beside it."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from .mentions import Compared, Mention
from .pictures import labels_picture, reliability_picture, threshold_picture

TEMPLATE = "report.html.jinja"
MARK = '<mark class="l{color}{hit}">{text}<b>{label}</b></mark>'
CONTEXT = 100  # characters before and after an error
MOST_CHARACTERS = 700  # of a doc that is shown
LONG_WORD = 40
N_COLORS = 10
MOST_LABELS = 20  # of the confusion matrix; the rest is put together
OTHER = "(other)"

Row = tuple[str, str]  # what it shows, its HTML


def page(
    report: dict[str, Any],
    docs: Sequence[Compared],
    baseline: Sequence[Compared] | None = None,
) -> str:
    """The HTML page.

    Args:
        report: What goes into the JSON file.
        docs: The docs that it is of.
        baseline: The same docs with the baseline's entities, if there is one.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    source = files(__package__).joinpath(TEMPLATE).read_text(encoding="utf8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = percent
    environment.filters["interval"] = interval
    renderer = Renderer(report["labels"], docs, baseline)
    pictures = {name: Markup(svg) for name, svg in _pictures(report).items()}
    return environment.from_string(source).render(
        report=report,
        pictures=pictures,
        errors={
            kind: [(each, renderer.error(each)) for each in of_kind["shown"]]
            for kind, of_kind in report["errors"].items()
        },
        changed={
            name: [(each, renderer.change(each)) for each in report["baseline"]["docs"][name]]
            for name in ("better", "worse")
        }
        if report["baseline"]
        else {},
        confusion=confusion_rows(report),
    )


def percent(value: float | None) -> str:
    """A share in percent, a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f}"  # noqa: RUF001


def interval(score: dict[str, Any]) -> str:
    """The interval of a score, in percent."""
    if score["low"] is None:
        return ""
    return f"{100 * score['low']:.1f} to {100 * score['high']:.1f}"


def _pictures(report: dict[str, Any]) -> dict[str, str]:
    parts = [("pipeline", report)]
    if report["baseline"]:
        parts.append(("baseline", report["baseline"]))
    found = {"labels": labels_picture(report["labels"], parts)}
    if report["probabilities"]:
        sure = [(name, part["probabilities"]) for name, part in parts if part["probabilities"]]
        found["reliability"] = reliability_picture(sure)
        found["threshold"] = threshold_picture(report["probabilities"])
    return found


def confusion_rows(report: dict[str, Any]) -> dict[str, Any]:
    """The confusion matrix, rare labels put together.

    Returns:
        The names of rows and columns, and rows of numbers, each with its share of its row.
    """
    shown = report["labels"][:MOST_LABELS]
    rest = [OTHER] if len(report["labels"]) > MOST_LABELS else []
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


class Renderer:
    """Docs with their entities marked by displaCy, gold over predicted.

    Args:
        labels: All labels, which are given colours in this order.
        docs: The docs.
        baseline: The same docs with the baseline's entities, if there is one.
    """

    def __init__(
        self,
        labels: Sequence[str],
        docs: Sequence[Compared],
        baseline: Sequence[Compared] | None,
    ) -> None:
        self.colors = {label: place % N_COLORS for place, label in enumerate(labels)}
        self.docs = {doc.number: doc for doc in docs}
        self.baseline = {doc.number: doc for doc in baseline or ()}

    def error(self, failure: dict[str, Any]) -> list[Row]:
        """An error with the text around it.

        Args:
            failure: As it is in the report.
        """
        doc = self.docs[failure["doc"]]
        sides = [
            {(each["start"], each["end"]) for each in failure[name]}
            for name in ("gold", "predicted")
        ]
        window = _window(doc.text, sides[0] | sides[1])
        return [
            ("gold", self._marked(doc.text, doc.gold, window, sides[0])),
            ("predicted", self._marked(doc.text, doc.predicted, window, sides[1])),
        ]

    def change(self, changed: dict[str, Any]) -> list[Row]:
        """A doc in which two pipelines do not have the same errors.

        Args:
            changed: As it is in the report.
        """
        doc, other = self.docs[changed["doc"]], self.baseline[changed["doc"]]
        keys = {mention.key for mention in doc.predicted} ^ {m.key for m in other.predicted}
        places = [
            {(m.start_char, m.end_char) for m in mentions if m.key in keys}
            for mentions in (doc.predicted, other.predicted)
        ]
        window = _window(doc.text, places[0] | places[1])
        return [
            ("gold", self._marked(doc.text, doc.gold, window, set())),
            ("baseline", self._marked(doc.text, other.predicted, window, places[1])),
            ("pipeline", self._marked(doc.text, doc.predicted, window, places[0])),
        ]

    def _marked(
        self, text: str, mentions: Iterable[Mention], window: tuple[int, int], hits: set
    ) -> str:
        from markupsafe import Markup
        from spacy import displacy

        first, last = window
        ents = [
            {
                "start": max(mention.start_char, first) - first,
                "end": min(mention.end_char, last) - first,
                # displaCy escapes texts, but not labels
                "label": escape(_with_probability(mention)),
                "params": {
                    "color": self.colors[mention.label],
                    "hit": " hit" if (mention.start_char, mention.end_char) in hits else "",
                },
            }
            for mention in mentions
            if mention.start_char < last and first < mention.end_char
        ]
        shown = [{"text": text[first:last], "ents": ents}]
        html = displacy.render(
            shown, style="ent", manual=True, jupyter=False, options={"template": MARK}
        )
        before, after = "… " if first else "", " …" if last < len(text) else ""
        return Markup(before + _content(html) + after)


def _content(html: str) -> str:
    """Without displaCy's `<div>`, whose style is not the page's."""
    return html[html.index(">") + 1 : html.rindex("</div>")].strip()


def _with_probability(mention: Mention) -> str:
    if mention.probability is None:
        return mention.label
    return f"{mention.label} {mention.probability:.2f}"


def _window(text: str, places: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """The part of a text that is shown: whole words around some places."""
    starts, ends = zip(*places)
    first = max(0, min(starts) - CONTEXT)
    last = min(len(text), max(ends) + CONTEXT, min(starts) + MOST_CHARACTERS)
    # Words that are too long are cut all the same
    blank = text.rfind(" ", max(0, first - LONG_WORD), first)
    if first and blank >= 0:
        first = blank + 1
    blank = text.find(" ", last, last + LONG_WORD)
    return first, blank if blank >= 0 else last
