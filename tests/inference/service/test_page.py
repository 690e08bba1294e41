"""The page to try it, in Chromium as a user would."""

import json
import random

import pytest

from spacy_bilstm_crf.decoding import Entity
from spacy_bilstm_crf.decoding.entities import best_entities
from spacy_bilstm_crf.inference.service import Limits
from tests.browser import browser
from tests.helpers import trained_nlp
from tests.inference.nested import places
from tests.inference.service.pages import CONTRASTS, opened, type_in, wait_for_answer
from tests.inference.service.service import running, wait_for

pytestmark = browser
TEXT = "\U0001f600 Who is Shaka Khan? I like London and Berlin."


@pytest.fixture(scope="module")
def client():
    with running(trained_nlp(), Limits(characters=5000)) as client:
        yield client


@pytest.fixture
def page(chromium, client):
    with opened(chromium, client) as page:
        yield page


def found_by(client, text, **settings):
    response = client.post("/annotate", json={"texts": [text], **settings})
    return response.json()["results"][0]["entities"]


def test_type_and_see_entities(page, client):
    page.keyboard.press("Tab")  # the first field that the keyboard reaches
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.type(TEXT)
    wait_for_answer(page, TEXT)
    expected = found_by(client, TEXT)
    texts = page.locator("#found mark").evaluate_all("all => all.map(m => m.firstChild.data)")
    assert texts == [e["text"] for e in expected] != []
    labels = page.locator("#found mark b").all_inner_texts()
    assert labels == [e["label"] for e in expected]
    assert page.locator("#found mark small").first.inner_text().endswith("%")
    assert page.locator("#status").inner_text() == f"{len(expected)} entities"
    # Whatever is between the marks is there too, in its place
    bare = page.evaluate("""() => {
        const copy = document.getElementById("found").cloneNode(true);
        copy.querySelectorAll("b, small").forEach(node => node.remove());
        return copy.textContent;
    }""")
    assert bare == TEXT
    page.fill("#text", "")
    wait_for_answer(page, "")
    assert page.locator("mark").count() == 0


def test_the_slider_acts_at_once_and_as_the_component(page, client):
    type_in(page, TEXT)
    before = page.locator("#found mark").count()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for percent in (1, 5, 30, 60, 99):
        page.locator("#threshold").fill(str(percent))
        found = page.evaluate("shownEntities()")
        assert places(found) == places(found_by(client, TEXT, threshold=percent / 100))
        assert page.locator("#threshold-value").inner_text() == f"{percent} %"
        assert page.locator("#found mark").count() == len(found)
    assert not asked
    assert before > 0
    page.get_by_role("button", name="Use the pipeline's setting").click()
    assert page.locator("#found mark").count() == before
    assert page.locator("#threshold").input_value() == "0"


def test_the_slider_stands_at_none_where_there_is_none(page):
    slider = page.locator("#threshold")
    assert slider.input_value() == slider.get_attribute("min") == "0"
    assert slider.get_attribute("aria-valuetext") == "none (the best tag sequence)"
    slider.fill("40")
    assert slider.get_attribute("aria-valuetext") == "40 %"
    slider.fill("0")
    assert page.locator("#threshold-value").inner_text() == "none (the best tag sequence)"
    assert page.evaluate("threshold") is None


def test_the_slider_stands_at_the_pipelines_threshold(chromium):
    with running(trained_nlp(threshold=0.3)) as client:
        page = chromium.new_page()
        page.goto(str(client.base_url))
        wait_for(lambda: page.evaluate("service !== null"))
        slider = page.locator("#threshold")
        assert (slider.input_value(), slider.get_attribute("min")) == ("30", "1")
        assert page.locator("#threshold-value").inner_text() == "30 %"
        slider.fill("80")
        page.get_by_role("button", name="Use the pipeline's setting").click()
        assert slider.input_value() == "30"
        page.close()


def test_the_slider_stands_at_the_lowest_of_thresholds_by_label(chromium):
    nlp = trained_nlp(threshold={"LOC": 0.25, "PERSON": 0.9999})
    with running(nlp) as client, opened(chromium, client) as page:
        type_in(page, TEXT)
        slider, words = page.locator("#threshold"), page.locator("#threshold-value")
        assert (slider.input_value(), slider.get_attribute("min")) == ("25", "1")
        assert words.inner_text() == "PERSON 99.99 %, LOC 25 %"
        own = found_by(client, TEXT)
        assert places(page.evaluate("shownEntities()")) == places(own)
        slider.fill("10")
        assert words.inner_text() == "10 %"
        one = found_by(client, TEXT, threshold=0.1)
        assert places(page.evaluate("shownEntities()")) == places(one) != places(own)
        page.get_by_role("button", name="Use the pipeline's setting").click()
        assert words.inner_text() == "PERSON 99.99 %, LOC 25 %"
        assert places(page.evaluate("shownEntities()")) == places(own)


def test_the_pages_choice_is_the_components(page):
    """Random candidates of one label, none alike, since either may be taken of equals."""
    rng = random.Random(0)
    for _ in range(30):
        starts = [rng.randrange(20) for _ in range(rng.randrange(25))]
        spans = sorted({(start, start + rng.randrange(1, 6), 0) for start in starts})
        candidates = [Entity(*span, rng.random()) for span in spans]
        given = [
            {"start": c.start, "end": c.end, "label": "A", "confidence": c.probability}
            for c in candidates
        ]
        least = rng.choice([0.0, 0.2, 0.5, 0.9])
        found = page.evaluate("([given, least]) => bestEntities(given, least)", [given, least])
        expected = [(*e.span[:2], "A") for e in best_entities(candidates, least)]
        assert places(found) == expected


def test_what_is_less_probable_goes(page):
    """With the keyboard: the slider to its right end, and back."""
    page.evaluate("""() => {
        const entity = (start, end, label, confidence) =>
            ({ start, end, text: "abcdef".slice(start, end), label, confidence });
        const candidates = [entity(0, 2, "A", 0.4), entity(0, 3, "B", 0.5), entity(4, 5, "A", 0.9)];
        const result = { entities: [candidates[2]], candidates, k_best: [] };
        service.label_groups = [["A", "B"]];
        answer = { text: "abcdef", characters: [..."abcdef"], result };
        showEntities();
    }""")
    assert page.locator("#found mark").count() == 1
    slider = page.locator("#threshold")
    slider.focus()
    page.keyboard.press("ArrowRight")  # from none, at the left end
    assert page.locator("#found mark b").all_inner_texts() == ["B", "A"]
    assert page.locator("#candidates tr.shown").count() == 2
    for _ in range(50):
        page.keyboard.press("ArrowRight")
    assert slider.input_value() == "51"
    assert page.locator("#found mark b").all_inner_texts() == ["A"]
    page.keyboard.press("End")
    assert page.locator("#found mark").count() == 0
    assert page.locator("#status").inner_text() == "0 entities"
    assert page.locator("#candidates tr").count() == 3


def test_candidates_and_tag_sequences(page, client):
    type_in(page, TEXT)
    (result,) = client.post(
        "/annotate", json={"texts": [TEXT], "candidates": 0.01, "k_best": 5}
    ).json()["results"]
    assert page.locator("#candidates tr").count() == len(result["candidates"]) > 0
    assert page.locator("#sequences li").count() == len(result["k_best"]) == 5
    first = page.locator("#sequences li").first.inner_text()
    assert first.startswith(f"{100 * result['k_best'][0]['probability']:.1f} %")


def test_the_set_that_contains_the_right_tag_sequence(chromium):
    nlp = trained_nlp()
    ner = nlp.get_pipe("ner")
    nlp.meta["coverage"] = {"ner": {"coverage": 0.95}}
    text = TEXT[2:]  # with which the tokens are those of the doc
    probabilities = [p for _, p in ner.k_best(nlp.make_doc(text), 5)]
    cases = {
        min(1.0, 1.001 * probabilities[0]): (1, "the first alone"),
        0.999 * probabilities[2]: (3, "the first 3"),
        0.999 * probabilities[4]: (5, "these, and maybe more"),
    }
    for least, (n, words) in cases.items():
        ner.least_of_set = least
        with running(nlp) as client, opened(chromium, client) as page:
            type_in(page, text)
            said = "Sets of them contain the right one in 95 % of texts; here the set is"
            assert page.locator("#set").inner_text() == f"{said} {words}."
            assert page.locator("#sequences li:not(.outside)").count() == n
            assert page.locator("#sequences li.outside").count() == 5 - n
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert min(page.evaluate(CONTRASTS)) >= 4.5
            type_in(page, "")
            assert page.locator("#set").inner_text() == ""


def test_html_in_a_text_stays_text(page):
    text = 'Who is <b id="evil">Shaka Khan</b>? <img src=x onerror="window.evil = 1"> <!-- I like'
    type_in(page, text)
    assert (
        page.locator("#found").evaluate("part => part.querySelectorAll('img, #evil').length") == 0
    )
    assert page.evaluate("window.evil === undefined || window.evil.id === undefined")
    assert "<img src=x" in page.locator("#found").inner_text()


def test_examples_of_each_domain(page):
    buttons = page.locator("#examples button")
    assert buttons.all_inner_texts() == ["News", "Finance", "Law", "Medicine"]
    for button in buttons.all():
        button.click()
        wait_for_answer(page, page.input_value("#text"))
        assert page.locator("#status").inner_text()


def test_copy_as_json(page):
    type_in(page, TEXT)
    page.get_by_role("button", name="Copy as JSON").click()
    wait_for(lambda: page.locator("#copied").inner_text() == "Copied")
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["text"] == TEXT and copied["entities"] == page.evaluate("shownEntities()") != []


def test_a_text_that_is_too_long_is_said_to_be(page):
    type_in(page, TEXT)
    page.fill("#text", "a" * 5001)
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "5,000" in alert.inner_text()
    # Nothing of another text stands below it
    assert page.locator("mark").count() == 0 and page.evaluate("answer") is None
    type_in(page, TEXT)
    assert not alert.is_visible()


def test_the_last_text_wins(page):
    """Answers may come in another order than the texts were typed."""
    slow = {"first": True}

    def delayed(route):
        response = route.fetch()
        if slow.pop("first", False):
            page.fill("#text", TEXT)
            page.evaluate("annotate()")
        route.fulfill(response=response)

    page.route("**/annotate", delayed)
    page.fill("#text", "I like London.")
    wait_for_answer(page, TEXT)
    assert page.evaluate("answer.text") == TEXT


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_it_fits_and_can_be_read(page, scheme, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    type_in(page, f"{TEXT} {'x' * 500}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # The least of what WCAG asks for of text: 4.5 to 1
    ratios = page.evaluate(CONTRASTS)
    assert min(ratios) >= 4.5


def test_every_control_has_a_name(page):
    type_in(page, TEXT)
    names = page.evaluate("""() => [
            ...document.querySelectorAll("textarea, input, button, section")
        ]
        .filter(node => node.checkVisibility())
        .map(node => node.getAttribute("aria-label") || node.labels?.[0]?.textContent ||
            document.getElementById(node.getAttribute("aria-labelledby"))?.textContent ||
            node.textContent)""")
    assert len(names) >= 9 and all(name.strip() for name in names)


def test_what_others_found_stays_whatever_the_threshold(chromium):
    nlp = trained_nlp(candidates_max_length=1)
    ruler = nlp.add_pipe("entity_ruler", before="ner")
    ruler.add_patterns([{"label": "RULED", "pattern": "Berlin"}])
    with running(nlp) as client:
        page = chromium.new_page()
        page.goto(str(client.base_url))
        wait_for(lambda: page.evaluate("service !== null"))
        text = "Berlin: who is Shaka Khan?"
        type_in(page, text)
        for percent in (30, 50):
            page.locator("#threshold").fill(str(percent))
            shown = page.evaluate("shownEntities()")
            assert places(shown) == places(found_by(client, text, threshold=percent / 100))
            assert ("RULED", None) in [(e["label"], e["confidence"]) for e in shown]
        page.close()


def test_a_pipeline_without_probabilities(chromium):
    with running(trained_nlp("ner")) as client:
        page = chromium.new_page()
        page.goto(str(client.base_url))
        wait_for(lambda: page.evaluate("service !== null"))
        type_in(page, "I like London and Berlin.")
        assert page.locator("#found mark b").all_inner_texts() == ["LOC", "LOC"]
        for part in ("#threshold-part", "#candidates-part", "#sequences-part"):
            assert not page.locator(part).is_visible()
        page.close()
