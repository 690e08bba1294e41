"""Draw what a trained pipeline finds in a few sentences: docs/assets/example.svg.

    python scripts/picture.py PIPELINE [--output FILE]

Each entity is in a box of its label's colour, with its probability below. Where the pipeline
wavers, the candidates that it did not take are listed under the sentence. The drawing has a
background of its own, light or dark as the reader's system prefers.
"""

from html import escape
from pathlib import Path
from typing import Any

import spacy
import typer
from spacy.tokens import Doc, Span

SENTENCES = (
    # Short, so that they can be read on a telephone
    "Ruth Tehana left Lisbon with Meridian Copper.",
    "Meridian Copper sold Tres Cerros on Friday.",
)
OUTPUT = Path(__file__).parent.parent / "docs" / "assets" / "example.svg"
LEAST = 0.1  # probability of a candidate that is listed
COLOURS = ("a", "b", "c", "d", "e", "f")
CHARACTER = 9.0  # width, in pixels, which textLength enforces
LABEL, NOTE = 7.2, 7.8  # of smaller text
MARGIN, LINE, PADDING = 28, 30, 4
STYLE = """
  .card { fill: #ffffff; stroke: #d0d7de }
  text { font: 15px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
         fill: #1f2328 }
  .small { font-size: 12px; font-weight: 600 } .note { font-size: 13px; fill: #57606a }
  .a { fill: #cfe8ff } .b { fill: #ffe2b8 } .c { fill: #d6f5d6 }
  .d { fill: #f3d9fa } .e { fill: #ffd6d6 } .f { fill: #d3f2f2 }
  @media (prefers-color-scheme: dark) {
    .card { fill: #161b22; stroke: #30363d } text { fill: #e6edf3 } .note { fill: #9da7b1 }
    .a { fill: #0c3d66 } .b { fill: #5c3d00 } .c { fill: #14431a }
    .d { fill: #4a2157 } .e { fill: #611f1f } .f { fill: #0d4747 }
  }
"""


def text_at(x: float, y: float, text: str, kind: str = "", size: float = CHARACTER) -> str:
    """Text that is as wide as its characters, whatever the font."""
    length = f'textLength="{size * len(text):.0f}" lengthAdjust="spacingAndGlyphs"'
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}" {length}>{escape(text)}</text>'


def sentence(doc: Doc, top: float, colour_of: dict[str, str]) -> list[str]:
    """A sentence, its entities in boxes with their labels and probabilities below."""
    parts = []
    position = 0
    for ent in doc.ents:
        x, width = MARGIN + CHARACTER * ent.start_char, CHARACTER * len(ent.text)
        before = doc.text[position : ent.start_char].rstrip()
        if before:
            parts.append(text_at(MARGIN + CHARACTER * position, top, before))
        colour = colour_of.setdefault(ent.label_, COLOURS[len(colour_of) % len(COLOURS)])
        parts.append(
            f'<rect x="{x - PADDING:.0f}" y="{top - 18:.0f}" width="{width + 2 * PADDING:.0f}" '
            f'height="26" rx="5" class="{colour}"/>'
        )
        parts.append(text_at(x, top, ent.text))
        parts.append(text_at(x, top + 23, f"{ent.label_} {ent._.confidence:.2f}", "small", LABEL))
        position = ent.end_char
        position += len(doc.text[position:]) - len(doc.text[position:].lstrip())
    parts.append(text_at(MARGIN + CHARACTER * position, top, doc.text[position:]))
    return parts


def others(doc: Doc) -> list[tuple[Span, float]]:
    """Candidates that are not among the entities, with their probabilities."""
    taken = {(ent.start, ent.end, ent.label_) for ent in doc.ents}
    group: Any = doc.spans["candidates"]
    scored = zip(group, group.attrs["scores"])
    return [(s, float(p)) for s, p in scored if (s.start, s.end, s.label_) not in taken]


def drawing(docs: list[Doc]) -> str:
    """The whole picture."""
    parts: list[str] = []
    colour_of: dict[str, str] = {}
    top, widest = MARGIN + 18.0, 0.0
    for doc in docs:
        parts += sentence(doc, top, colour_of)
        top += LINE + 22
        widest = max(widest, CHARACTER * len(doc.text))
        listed = ", ".join(f"{span.text} {span.label_} {p:.2f}" for span, p in others(doc))
        if listed:
            note = f"might also be: {listed}"
            parts.append(text_at(MARGIN, top, note, "note", NOTE))
            widest = max(widest, NOTE * len(note))
            top += LINE
        top += 14
    width = 2 * MARGIN + widest
    height = top - 14
    alt = "; ".join(f"{ent.text}: {ent.label_}" for doc in docs for ent in doc.ents)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" role="img">',
            f"<title>{escape(alt)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect x="1" y="1" width="{width - 2:.0f}" height="{height - 2:.0f}" rx="10" '
            f'class="card"/>',
            *parts,
            "</svg>\n",
        ]
    )


def main(pipeline: Path, output: Path = OUTPUT) -> None:
    """Run the pipeline on the sentences and write the drawing."""
    nlp = spacy.load(pipeline)
    nlp.get_pipe("ner").candidates_threshold = LEAST  # type: ignore[attr-defined]
    output.write_text(drawing([nlp(text) for text in SENTENCES]), encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
