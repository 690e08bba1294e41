"""The page on entities that overlap, in Chromium as a user would."""

import json

import pytest
import spacy

from tests.browser import browser
from tests.inference.nested import OF_LEVELS, SCHOOL, SQUARE, TEXTS, UNIVERSITY, places, trained
from tests.inference.service.pages import CONTRASTS, opened, type_in
from tests.inference.service.service import running, wait_for

pytestmark = browser
BARS = "#found .bar"


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    path = tmp_path_factory.mktemp("both") / "model"
    trained("bilstm_crf_ner", "bilstm_crf_spans").to_disk(path)
    return path


@pytest.fixture(scope="module")
def client(both):
    with running(spacy.load(both)) as client:
        yield client


@pytest.fixture
def page(chromium, client):
    with opened(chromium, client) as page:
        yield page


def result_of(client, text, **settings):
    response = client.post("/annotate", json={"texts": [text], **settings})
    assert response.status_code == 200, response.text
    return response.json()["results"][0]


def boxes_of(page, selector):
    script = "all => all.map(each => each.getBoundingClientRect().toJSON())"
    return page.locator(selector).evaluate_all(script)


def test_words_are_there_once_and_a_bar_below_them_for_each_entity(page):
    type_in(page, UNIVERSITY)
    # Where nothing overlaps, all is as it was
    assert page.locator("#found > mark").evaluate_all("all => all.map(m => m.firstChild.data)") == [
        "Ada"
    ]
    assert page.locator(f"{BARS} b").all_inner_texts() == ["ORG", "PLACE"]
    assert page.locator("#status").inner_text() == "3 entities"
    bare = page.evaluate("""() => {
        const copy = document.getElementById("found").cloneNode(true);
        copy.querySelectorAll("b, small, .spoken").forEach(node => node.remove());
        return copy.textContent;
    }""")
    assert bare == UNIVERSITY
    pieces = page.locator("#found .piece")
    assert pieces.evaluate_all("all => all.map(piece => piece.firstChild.textContent)") == [
        "University ",
        "of ",
        "Oslo",
    ]


def test_bars_begin_and_end_with_their_words(page):
    """Entities that cross: each has one row, and covers its words from the first to the last."""
    type_in(page, SQUARE)
    script = """all => all.map(piece => {
        const box = piece.firstChild.getBoundingClientRect();
        return { text: piece.firstChild.textContent, left: box.left, bottom: box.bottom };
    })"""
    words = page.locator("#found .piece").evaluate_all(script)
    at = {word["text"].strip(): word for word in words if word["text"].strip()}
    for label, first in (("WORK", "New"), ("ORG", "New"), ("PLACE", "Times")):
        (bar,) = boxes_of(page, f"{BARS}:has-text('{label}')")
        assert bar["left"] == pytest.approx(at[first]["left"], abs=1)
        assert bar["top"] >= at[first]["bottom"] - 1
    n_words = {"WORK": 5, "ORG": 3, "PLACE": 2}
    tops = {}
    for label, n in n_words.items():
        parts = page.locator(f"{BARS}[title*=', {label},']")
        assert parts.count() >= n
        tops[label] = {round(box["top"]) for box in boxes_of(page, f"{BARS}[title*=', {label},']")}
        assert len(tops[label]) == 1
    assert min(tops["WORK"]) < min(tops["ORG"]) < min(tops["PLACE"])


def test_a_screen_reader_hears_the_words_and_then_the_entities(page):
    type_in(page, UNIVERSITY)
    assert page.locator(".overlap > [aria-hidden=true]").count() == 1
    spoken = page.locator(".overlap > .spoken").text_content()
    assert spoken.startswith("University of Oslo (overlapping entities: University of Oslo, ORG, ")
    assert "; Oslo, PLACE, " in spoken and spoken.count("%") == 2
    tree = page.locator("#found").aria_snapshot()
    assert tree.count("University of Oslo (") == 1 and "Ada" in tree


def test_the_slider_acts_at_once_for_each_label(page, client):
    asked = []
    for text in TEXTS:
        type_in(page, text)
        page.on("request", lambda request: asked.append(request.url))
        asked.clear()
        for percent in (1, 5, 30, 60, 99):
            page.locator("#threshold").fill(str(percent))
            expected = result_of(client, text, threshold=percent / 100)["entities"]
            assert places(page.evaluate("shownEntities()")) == places(expected)
            assert page.locator("#found mark").count() == len(expected)
        assert not asked
        page.get_by_role("button", name="Use the pipeline's setting").click()


def with_levels():
    nlp = trained("bilstm_crf_ner", "bilstm_crf_spans", data=OF_LEVELS, levels=2)
    nlp.get_pipe("bilstm_crf_ner").threshold = 0.5
    return nlp


def test_where_labels_do_not_tell_the_service_is_asked_again(chromium):
    nlp = with_levels()
    with running(nlp) as client, opened(chromium, client) as page:
        type_in(page, SCHOOL)
        words = page.locator("#threshold-value").inner_text()
        assert words == "bilstm_crf_ner 50 %, bilstm_crf_spans none (the best tag sequence)"
        for percent in (99, 20, 1):
            page.locator("#threshold").fill(str(percent))
            wait_for(lambda least=percent / 100: page.evaluate("answer.threshold") == least)
            expected = result_of(client, SCHOOL, threshold=percent / 100)["entities"]
            assert places(page.evaluate("shownEntities()")) == places(expected)
        # What is copied is of the threshold that is set, even before it is shown
        page.locator("#threshold").fill("99")
        page.get_by_role("button", name="Copy as JSON").click()
        wait_for(lambda: page.locator("#copied").inner_text() == "Copied")
        copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
        expected = result_of(client, SCHOOL, threshold=0.99)["entities"]
        assert places(copied["entities"]) == places(expected)
        page.get_by_role("button", name="Use the pipeline's setting").click()
        wait_for(lambda: page.evaluate("answer.threshold") is None)
        own = result_of(client, SCHOOL)["entities"]
        assert places(page.evaluate("shownEntities()")) == places(own)


@pytest.mark.parametrize("factory", ["bilstm_crf_spans", "spancat"])
def test_pipelines_without_tag_sequences(factory, chromium):
    nlp = trained(factory)
    with running(nlp) as client, opened(chromium, client) as page:
        type_in(page, UNIVERSITY)
        assert page.locator(f"{BARS} b").all_inner_texts() == ["ORG", "PLACE"]
        assert not page.locator("#sequences-part").is_visible()
        ours = factory == "bilstm_crf_spans"
        assert page.locator("#threshold-part").is_visible() == ours
        assert page.locator("#candidates-part").is_visible() == ours


def show(page, text, entities):
    """Show entities as if the service had found them."""
    page.evaluate(
        """([text, given]) => {
            const characters = Array.from(text);
            const entities = given.map(([start, end, label]) => ({ start, end, label,
                text: characters.slice(start, end).join(""), confidence: 0.5 }));
            answer = { text, characters, threshold: null,
                result: { entities, candidates: [], k_best: null } };
            showEntities();
        }""",
        [text, entities],
    )


HARD = {
    "one in the other of one span": ("Oslo", [(0, 4, "PLACE"), (0, 4, "CITY")]),
    "within a word": ("non-Hodgkin's", [(0, 13, "DISEASE"), (4, 13, "NAME"), (4, 11, "PERSON")]),
    "over lines": ("one two\n\nthree\r\nfour", [(0, 20, "LONG"), (4, 14, "SHORT")]),
    "ends at a break": ("one\ntwo", [(0, 4, "A"), (3, 7, "B"), (3, 4, "C")]),
    "surrogates": ("\U0001f600\U0001f600 \U0001f600", [(0, 4, "A"), (1, 2, "B"), (2, 4, "C")]),
    "long words": ("x" * 400 + " y", [(0, 402, "A"), (100, 200, "B"), (199, 402, "LABEL")]),
    "many rows": ("word " * 12 + "end", [(5 * i, 63 - 5 * i, f"L{i}") for i in range(6)]),
    "long names": ("a b c", [(0, 5, "ORGANIZATION" * 2), (0, 3, "WORK_OF_ART" * 3)]),
    "from right to left": ("ירושלים של זהב", [(0, 14, "WORK"), (0, 7, "PLACE")]),
}


@pytest.mark.parametrize("width", [320, 390, 1200])
@pytest.mark.parametrize("name", HARD)
def test_all_is_shown_and_nothing_runs_over(name, width, page):
    text, entities = HARD[name]
    page.set_viewport_size({"width": width, "height": 800})
    show(page, text, sorted(entities, key=lambda each: (each[0], -each[1])))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert sorted(page.locator(f"{BARS} b").all_inner_texts()) == sorted(e[2] for e in entities)
    assert page.locator(f"{BARS} small").count() == len(entities)
    bare = page.locator("#found").evaluate("""found => {
        const copy = found.cloneNode(true);
        copy.querySelectorAll("b, small, .spoken").forEach(node => node.remove());
        return copy.textContent.replaceAll("\\u200b", "");
    }""")
    assert bare == text
    # No bar on another, nor on words
    boxes = boxes_of(page, f"{BARS}, #found .piece > :first-child")
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            across = min(one["right"], other["right"]) - max(one["left"], other["left"])
            down = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
            assert across < 1.5 or down < 1.5


@pytest.mark.parametrize("before", ["", "Then "])
def test_words_from_right_to_left(before, page):
    text, entities = HARD["from right to left"]
    n = len(before)
    show(page, before + text, [[start + n, end + n, label] for start, end, label in entities])
    lefts = [box["left"] for box in boxes_of(page, "#found .piece > :first-child")]
    assert len(lefts) == 4 and lefts == sorted(lefts, reverse=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_it_can_be_read(page, scheme, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    type_in(page, " ".join(TEXTS))
    assert page.locator(BARS).count() >= 5
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert min(page.evaluate(CONTRASTS)) >= 4.5
