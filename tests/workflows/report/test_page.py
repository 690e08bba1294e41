"""The page: it needs nothing else, opens, filters, and shows the numbers of the JSON file."""

import json
import re
from html.parser import HTMLParser

import pytest

from spacy_bilstm_crf.common.pages import percent
from spacy_bilstm_crf.data.entity_source import EntitySource
from spacy_bilstm_crf.workflows.report.contents import MOST_ERRORS, report_numbers
from spacy_bilstm_crf.workflows.report.page import (
    MATRIX_SIZE,
    confusion_rows,
    report_page,
    rows_without_overlap,
)
from tests.browser import browser, noted, opened
from tests.workflows.report.docs import doc_of, mention, overlapping_doc_of

EVIL = '<script>document.title = "taken"</script> & "x" {{ 7 * 7 }} {text}'
ABOUT = {
    **{"pipeline": "model-best", "data": "test.spacy", "train": None, "n_not_annotated": 0},
    **{"version": "0", "spacy_version": "3"},
}
GOLD = [(0, 2, "A"), (3, 5, "B"), (6, 9, "A")]
OURS = [
    GOLD,
    [(0, 2, "B", 0.8), (3, 4, "B", 0.7), (10, 11, "A", 0.6)],
    [(0, 1, "A", 0.9), (1, 2, "A", 0.4), (3, 9, EVIL, 0.99)],
    [(1, 2, "B", 0.5)],
]
THEIRS = [[], GOLD, [(0, 2, "A")], [(1, 2, "B")]]


def docs_of(found, text=None):
    return [
        doc_of(GOLD, each, number, source=f"part {number % 2}", text=text)
        for number, each in enumerate(found)
    ]


def made(found, baseline=None, text=None, **about):
    """The numbers and the page."""
    sides = [docs_of(found, text), docs_of(baseline, text) if baseline else None]
    numbers = {**ABOUT, **report_numbers(*sides), **about}
    if baseline:
        numbers["baseline"]["pipeline"] = "other"
    return json.loads(json.dumps(numbers)), report_page(numbers, *sides)


@pytest.fixture(scope="module")
def both():
    return made(OURS, THEIRS)


class Tables(HTMLParser):
    """The rows of each table, as the texts of their cells."""

    def __init__(self, html):
        super().__init__()
        self.tables, self.cell = {}, None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            attrs = dict(attrs)
            name = attrs.get("id") or attrs.get("data-name") or attrs.get("class")
            self.rows = self.tables.setdefault(name, [])
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.cell = True

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.cell = None

    def handle_data(self, data):
        if self.cell:
            self.rows[-1][-1] += data


def cells(name, score):
    """What the row of a score is to say."""
    values = []
    for key in ("precision", "recall", "f"):
        value, low, high = (percent(score[key][each]) for each in ("value", "low", "high"))
        values.append(value if score[key]["low"] is None else f"{value}{low} to {high}")
    return [name, *values, *(str(score[key]) for key in ("gold", "predicted", "right"))]


def test_the_page_has_the_numbers_of_the_report(both):
    numbers, html = both
    tables = Tables(html).tables
    rows = [("all", numbers["overall"]), *numbers["by_label"].items()]
    assert tables["by-label"][1:] == [cells(*row) for row in rows]
    assert len(rows) == 4 and numbers["overall"]["right"] == 3
    for row, (name, each) in zip(tables["semeval"][1:], numbers["semeval"].items()):
        counts = [str(each[key]) for key in ("cor", "inc", "par", "mis", "spu")]
        assert row == [name, *(percent(each[key]) for key in ("precision", "recall", "f")), *counts]
    kinds = [[kind, str(each["n"])] for kind, each in numbers["errors"].items()]
    assert [row[:2] for row in tables["kinds"][1:]] == kinds
    for name, values in numbers["slices"].items():
        assert tables[name][1:] == [cells(*each) for each in values.items()]
    assert set(numbers["slices"]) == {"length in tokens", "case", "source"}
    difference = numbers["baseline"]["difference"]["overall"]["f"]
    assert tables["difference"][3][-1] == f"{difference['p']:.3f}"
    assert tables["difference"][3][3].startswith(percent(difference["value"]))
    matrix = {
        (row[0], name): int(number or 0)
        for row in tables["matrix"][1:]
        for name, number in zip(tables["matrix"][0][1:], row[1:])
    }
    expected = {
        tuple(each[side] or "none" for side in ("gold", "predicted")): each["n"]
        for each in numbers["confusion"]
    }
    assert {cell: number for cell, number in matrix.items() if number} == expected


def words_of(html):
    return " ".join(html.split())


def test_the_page_says_what_was_not_looked_at():
    found = [(0, 2, "A", 0.9), (3, 4, "B", 0.6)]
    _, html = made([found])
    assert "nothing less probable than 0.60." in html and "lower one may be better" not in html
    assert "Missed entities have no probability, and are in the order of the docs." in words_of(
        html
    )
    _, html = made([[(0, 2, "A", 0.9), (3, 5, "B", 0.6)]])
    assert "That is the best threshold, too, so a lower one may be better still" in html
    assert "at 0.60, the lowest" in html
    known = [doc_of([(0, 2, "A"), (3, 5, "B", 0.2)], [(0, 2, "A", 0.9)])]
    numbers = {**ABOUT, **report_numbers(known)}
    html = words_of(report_page(numbers, known))
    assert "with the highest probability, and missed entities with the lowest. Some" in html


def test_the_json_has_no_numbers_that_json_has_not(both):
    assert json.loads(json.dumps(both[0], allow_nan=False)) == both[0]


def test_nothing_is_fetched(both):
    _, html = both
    assert not re.findall(r"(?:src|href)\s*=\s*[\"'](?!#)", html)
    assert "@import" not in html and "url(" not in re.sub(r"url\(#\w+\)", "", html)
    assert set(re.findall(r"https?://[^\"]*", html)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_texts_and_labels_are_no_html():
    _, html = made(OURS, THEIRS, text=EVIL, pipeline=EVIL)
    assert "<script>document" not in html
    assert "&lt;script&gt;document.title" in html and "{{ 7 * 7 }}" in html
    assert html.count("<script>") == 1


def test_dollar_signs_are_no_mathematics():
    found = [[(0, 2, "US$ and A$_{", 0.9), (3, 5, "B", 0.8)]]
    docs = [doc_of([entity[:3] for entity in each], each, 0, source="a") for each in found]
    numbers = {**ABOUT, **report_numbers(docs, None)}
    assert ">US$ and A$_{</text>" in report_page(numbers, docs, None)


def test_every_picture_has_a_text(both):
    _, html = both
    pictures = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(pictures) == 3 and "<img" not in html
    ids = re.findall(r' id="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    for picture in pictures:
        (title,) = re.findall(r'role="img" aria-labelledby="([^"]*)"', picture)
        (text,) = re.findall(rf'<title id="{title}">([^<]+)</title>', picture)
        assert len(text) > 20
        # Its colours are the page's: nothing black on a dark ground
        assert not re.search(r"(?:fill|stroke): (?!none|currentColor|var\()", picture)
        for used in re.findall(r'href="#(\w+)"|url\(#(\w+)\)', picture):
            assert any(name in ids for name in used)


def luminance(color):
    wide = color if len(color) == 7 else "#" + "".join(2 * digit for digit in color[1:])
    parts = [int(wide[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read(both, scheme):
    _, html = both
    light, dark = re.findall(r":root \{(.*?)\}", html, re.DOTALL)
    colors = dict(re.findall(r"--(\w+): (#\w+);", light if scheme == "light" else dark))
    for name in ("ink", "quiet", "first", "second"):
        assert contrast(colors[name], colors["ground"]) >= 4.5, name
        assert contrast(colors[name], colors["field"]) >= 4.5 or name in ("first", "second")
    for place in range(10):
        assert contrast(colors["ink"], colors[f"l{place}"]) >= 4.5


def test_a_page_without_probabilities_or_errors():
    numbers, html = made([GOLD])
    assert numbers["probabilities"] is None and numbers["overall"]["f"]["value"] == 1.0
    assert "have no probabilities" in html and "article class" not in html


def test_entities_that_overlap_are_in_rows_of_their_own():
    nested = [mention(0, 4), mention(0, 2, "B"), mention(1, 2), mention(2, 4, "B"), mention(5, 6)]
    rows = rows_without_overlap(nested)
    assert [[m.key[:2] for m in row] for row in rows] == [
        *([(0, 4), (5, 6)], [(0, 2), (2, 4)], [(1, 2)])
    ]
    assert rows_without_overlap([]) == [[]]


def test_a_page_of_entities_that_overlap():
    docs = [
        overlapping_doc_of([(0, 3, "A"), (2, 3, "B")], [(0, 3, "A", 0.9), (0, 3, "B", 0.8)]),
        overlapping_doc_of([(0, 3, "A"), (2, 3, "B")], [(1, 2, "C", 0.3)], number=1),
    ]
    numbers = {**ABOUT, **report_numbers(docs, docs, where=EntitySource("sc"))}
    numbers["baseline"]["pipeline"] = "other"
    html = report_page(numbers, docs, docs)
    assert numbers["spans_key"] == "sc" and 'in doc.spans["sc"].' in words_of(html)
    kinds = {kind: each["n"] for kind, each in numbers["errors"].items() if each["n"]}
    assert kinds == {"missed": 2, "spurious": 1, "wrong boundary": 1}
    assert "wrong boundary and label" not in numbers["errors"]
    assert "no kind “wrong boundary and label”: entities may overlap here" in words_of(html)
    overlap = numbers["slices"]["overlaps another entity"]
    assert {value: each["gold"] for value, each in overlap.items()} == {"yes": 4, "no": 0}
    assert "overlaps another entity of its label" not in numbers["slices"]
    assert "depends on the annotation if it is annotated" in words_of(html)
    (article,) = re.findall(r'(?s)<article class="error".*?</article>', html.split("Wrong b")[1])
    row = r'<span class="side">(.*?)</span><div class="text" dir="auto">(.*?)</div>'
    lines = re.findall(row, article)
    assert [name for name, _ in lines] == ["gold", "", "predicted", ""]
    assert [re.sub("<.*?>", "", text) for _, text in lines] == [
        *("x x xA", "x x xB", "x x xA 0.90", "x x xB 0.80")
    ]
    assert [text.count("hit") for _, text in lines] == [0, 1, 0, 1]
    flat = words_of(report_page({**ABOUT, **report_numbers(docs_of(OURS))}, docs_of(OURS)))
    assert "may overlap here" not in flat and "Matched entities overlap, but may differ" in flat


def test_many_errors_and_long_docs_keep_the_page_small():
    text = "word " * 20_000
    gold = [(place, place + 2, f"L{place // 5 % 50}") for place in range(0, 20_000, 5)]
    docs = [doc_of(gold, [], number, text=text) for number in range(3)]
    numbers = {**ABOUT, **report_numbers(docs)}
    assert numbers["errors"]["missed"]["n"] == 12_000
    html = report_page(numbers, docs)
    assert html.count('<article class="error"') == MOST_ERRORS and len(html) < 400_000
    assert len(confusion_rows(numbers)["names"]) == MATRIX_SIZE + 2


def test_a_window_of_a_long_text_has_whole_words_and_what_is_marked():
    text = "word " * 1000
    docs = [doc_of([(1000, 1002, "A")], [(1001, 1600, "A")], text=text)]
    html = report_page({**ABOUT, **report_numbers(docs)}, docs)
    gold, predicted = re.findall(r'<div class="text" dir="auto">(.*?)</div>', html, re.DOTALL)
    for shown in (gold, predicted):
        assert (shown.startswith("… word ") and shown.endswith(" word …")) or "<b>A</b>" in shown
        assert shown.count("hit") == 1
        words = re.sub(r"<b>.*?</b>|<[^>]*>", "", shown).strip("… ").split()
        assert 100 < sum(len(word) + 1 for word in words) < 900
    _, html = made([[(0, 2, "B")]], text="y" * 5000)
    assert re.findall(r"y{50,}", html) and not re.findall(r"y{200,}", html)


def test_rare_labels_are_put_together_in_the_matrix():
    labels = [f"L{place:02}" for place in range(MATRIX_SIZE + 3)] + ["none"]
    confusion = [{"gold": label, "predicted": None, "n": 1} for label in labels]
    found = confusion_rows({"labels": labels, "confusion": confusion})
    of_last_column = [cells[-1][0] for _, cells in found["rows"]]
    assert of_last_column == [1] * MATRIX_SIZE + [4, 0]


class TestInChromium:
    pytestmark = browser

    def test_opens_without_a_word_on_the_console(self, both, tmp_path):
        dom, console = opened(both[1], tmp_path)
        assert not console
        assert Tables(dom).tables == Tables(both[1]).tables

    def test_a_broken_script_would_be_seen(self, both, tmp_path):
        with pytest.raises(AssertionError, match="Uncaught"):
            opened(
                both[1].replace("const form", "const form = nothing.at.all; const other"), tmp_path
            )
        with pytest.raises(AssertionError, match="refused"):
            opened(
                both[1].replace("<main>", '<main><img src="http://127.0.0.1:9/x.png">'), tmp_path
            )

    def test_texts_do_not_run(self, tmp_path):
        _, html = made(OURS, THEIRS, text=EVIL)
        assert noted(html, tmp_path, "note(document.title)") == ["Report of model-best"]

    def test_filters(self, both, tmp_path):
        numbers, html = both
        script = """
        const form = document.getElementById("filters");
        const all = selector => [...document.querySelectorAll(selector)];
        const show = (kind, label, text) => {
          for (const [name, value] of Object.entries({kind, label, text}))
            form.elements[name].value = value;
          form.elements.text.dispatchEvent(new Event("input", {bubbles: true}));
          const shown = all("article.error").filter(each => each.checkVisibility());
          const said = parseInt(document.getElementById("count").textContent);
          const groups = all(".kind").filter(each => !each.hidden).map(each => each.dataset.kind);
          const counts = all(".kind summary span").map(each => Number(each.textContent));
          const sum = counts.reduce((one, other) => one + other, 0);
          note(JSON.stringify([shown.length, said, groups]));
          if (sum !== shown.length) note(`${sum} in the summaries`);
        };
        note(form.hidden);
        show("missed", "", ""); show("", "B", ""); show("split", "A", ""); show("split", "B", "");
        show("", "", "0.80"); show("", "", "no such text");
        """
        is_hidden, *lines = noted(html, tmp_path, script)
        assert is_hidden == "false"
        found = [json.loads(line) for line in lines]
        shown = {kind: each["shown"] for kind, each in numbers["errors"].items()}
        of_b = {
            kind: sum("B" in {m["label"] for m in e["gold"] + e["predicted"]} for e in errors)
            for kind, errors in shown.items()
        }
        n_missed, n_b = len(shown["missed"]), sum(of_b.values())
        assert found[0] == [n_missed, n_missed, ["missed"]] and n_missed > 1
        assert found[1] == [n_b, n_b, [kind for kind, n in of_b.items() if n]] and n_b > 1
        assert found[2] == [1, 1, ["split"]]
        assert found[3] == [0, 0, []]
        assert found[4][:2] == [4, 4]  # of the doc that has such an entity
        assert found[5] == [0, 0, []]

    @pytest.mark.parametrize("width", [390, 1280])
    def test_fits_without_scrolling_sideways(self, width, tmp_path):
        text = f"{'x' * 300} {EVIL}"
        _, html = made(OURS, THEIRS, text=text, pipeline="p" * 200)
        # In a frame: a window can't be as narrow as a phone
        frame = "<!DOCTYPE html><html><head></head><body></body></html>"
        script = f"""
        const frame = document.createElement("iframe");
        frame.style.width = "{width}px";
        frame.srcdoc = {json.dumps(html).replace("<", chr(92) + "u003c")};
        frame.onload = () => {{
          const page = frame.contentDocument;
          page.querySelectorAll("details").forEach(each => each.open = true);
          note(frame.contentWindow.innerWidth);
          note(page.documentElement.scrollWidth);
          const picture = page.querySelector(".picture").getBoundingClientRect();
          note(picture.width > 300 && picture.right <= {width});
        }};
        document.body.append(frame);
        """
        inner, scroll, picture_fits = noted(frame, tmp_path, script)
        assert int(inner) == width and int(scroll) <= width and picture_fits == "true"

    @pytest.mark.parametrize("scheme, ink", [("light", "28, 33, 39"), ("dark", "228, 232, 236")])
    def test_pictures_follow_light_and_dark(self, both, scheme, ink, tmp_path):
        option = f"--blink-settings=preferredColorScheme={int(scheme == 'light')}"
        script = """
        note(getComputedStyle(document.body).color);
        note([...new Set([...document.querySelectorAll(".picture text")].map(
          each => getComputedStyle(each).fill))].join());
        """
        assert noted(both[1], tmp_path, script, [option]) == [f"rgb({ink})"] * 2
