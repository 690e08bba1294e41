"""What a reader finds in a file, before tokenization."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Offsets = tuple[int, int]  # first character, character after the last; in code points
UNREADABLE = "not readable"  # the kind of problem of what no document can be made of


class RawMention(NamedTuple):
    """A labelled part of a text.

    Attributes:
        fragments: What it covers; more than one if it is discontinuous.
        label: Its label; None if the file has none, which is a problem.
        score: A probability, if there is one.
        quote: The text that it covers according to the file, to check the offsets.
        dispute: Who has it, if other annotators do not.
    """

    fragments: tuple[Offsets, ...]
    label: str | None
    score: float | None = None
    quote: str | None = None
    dispute: str = ""

    @property
    def offsets(self) -> Offsets | None:
        """Where it begins and ends; None if some offset in the file is no whole number."""
        values = [offset for fragment in self.fragments for offset in fragment]
        whole = all(isinstance(x, int) and not isinstance(x, bool) for x in values)
        return (values[0], values[-1]) if whole else None

    def moved(self, to: Callable[[int], int]) -> "RawMention":
        """Return the mention with other offsets in the place of its own."""
        return self._replace(fragments=tuple((to(start), to(end)) for start, end in self.fragments))


class Problem(NamedTuple):
    """Something in a file that a doc can't hold.

    Attributes:
        kind: What it is, in a few words.
        place: The file, and the line or number in it.
        id: The document's, where it has one.
        start: First character; None if it is about the whole document.
        end: Character after the last.
        message: The rest, and what would be right where that can be said.
    """

    kind: str
    place: str
    id: str | None
    start: int | None
    end: int | None
    message: str


class Record(NamedTuple):
    """A document and its annotation.

    Attributes:
        place: The file, and the line or number in it.
        text: The text; of a file of words, the words with a blank after each.
        words: Its tokens, if the file has them.
        spaces: Whether a blank follows each of them; None if the file does not say.
        sent_starts: Whether each of them starts a sentence.
        pos: The part of speech of each.
        id: The document's own.
        answer: "accept", "reject" or "ignore", where an annotator said so.
        annotator: Who.
        meta: What else belongs to the document.
        entities: What is annotated.
        incorrect: What is known to be no entity.
        predictions: What a model suggests and nobody has judged.
        unknown: Parts of the text of which nothing is known.
        disputed: What only some annotators have marked.
        is_annotated: Whether the rest is known to be no entity.
        problems: What the reader could not make sense of, apart from offsets.
    """

    place: str
    text: str
    words: list[str] | None = None
    spaces: list[bool] | None = None
    sent_starts: list[bool] | None = None
    pos: list[str] | None = None
    id: str | None = None
    answer: str | None = None
    annotator: str | None = None
    meta: dict[str, Any] = {}  # noqa: RUF012 - never changed
    entities: tuple[RawMention, ...] = ()
    incorrect: tuple[RawMention, ...] = ()
    predictions: tuple[RawMention, ...] = ()
    unknown: tuple[Offsets, ...] = ()
    disputed: tuple[RawMention, ...] = ()
    is_annotated: bool = True
    problems: tuple[Problem, ...] = ()

    def agreed(self, found: Sequence[Sequence[RawMention]]) -> "Record":
        """Return the record with what several annotators have marked.

        What all of them have is annotated, and what only some have is disputed.

        Args:
            found: What each of them has marked.
        """
        # By what they look like: a damaged file may have anything in their place
        by_looks = [{repr(m[:2]): m for m in mentions} for mentions in found]
        every = {looks: m for of_one in by_looks for looks, m in of_one.items()}
        n_with = {looks: sum(looks in of_one for of_one in by_looks) for looks in every}
        return self._replace(
            entities=tuple(m for looks, m in every.items() if n_with[looks] == len(found)),
            disputed=tuple(
                m._replace(dispute=f"{n_with[looks]} of {len(found)} annotations have")
                for looks, m in every.items()
                if n_with[looks] < len(found)
            ),
        )

    def problem(self, kind: str, where: Offsets | None, message: str) -> Problem:
        """Return something that is wrong with this document."""
        start, end = where or (None, None)
        return Problem(kind, self.place, self.id, start, end, message)


class Findings:
    """What came up while files were read and written.

    Attributes:
        problems: What a doc can't hold.
        notes: How often something was left out or mended that is no problem, by what it is.
        n_annotated: Documents of which something is known.
        n_mentions: Entities in the files, whether or not they fit.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.notes: Counter = Counter()
        self.n_annotated = 0
        self.n_mentions = 0
