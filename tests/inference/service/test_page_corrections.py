"""Correcting entities on the page, in Chromium as a user would: by mouse, and by keyboard alone."""

import json
import re

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.util import fix_random_seed

from spacy_bilstm_crf.data.formats import Findings, FormatSettings, read
from tests.browser import browser
from tests.helpers import trained_nlp, unsure_nlp
from tests.inference.nested import SQUARE, UNIVERSITY, places, trained
from tests.inference.service.pages import CONTRASTS, opened, type_in
from tests.inference.service.service import running, wait_for

pytestmark = browser
# Of which every word is an entity to a pipeline that is unsure, and few to one that is trained
TEXT = "\U0001f600 Who is London Khan?"
LONG = "\U0001f600 Who is Shaka Khan? I like London and Berlin."
OVERLAPPING = f"{SQUARE} {UNIVERSITY}"


@pytest.fixture(scope="module")
def unsure():
    fix_random_seed(5)  # of five entities, and each of them matters to others
    with running(unsure_nlp()) as client:
        yield client


@pytest.fixture(scope="module")
def sure():
    fix_random_seed(3)  # sure of three entities
    with running(trained_nlp()) as client:
        yield client


@pytest.fixture(scope="module")
def overlapping():
    with running(trained("bilstm_crf_spans")) as client:
        yield client


@pytest.fixture
def page(chromium, unsure):
    with opened(chromium, unsure) as page:
        type_in(page, TEXT)
        yield page


@pytest.fixture
def sure_page(chromium, sure):
    with opened(chromium, sure) as page:
        type_in(page, LONG)
        yield page


@pytest.fixture
def overlapping_page(chromium, overlapping):
    with opened(chromium, overlapping) as page:
        type_in(page, OVERLAPPING)
        yield page


def entity(page, name):
    return page.locator("#found").get_by_role("button", name=re.compile(f"^{re.escape(name)}"))


def tool(page, name):
    return page.get_by_role("toolbar").get_by_role("button", name=name, exact=True)


def wait_until_shown(page):
    wait_for(lambda: page.evaluate("isAnswered() && before === null"))


def span(text, words, label):
    start = text.index(words)
    return {"start": start, "end": start + len(words), "label": label}


def shown(page):
    return page.evaluate("shown")


def check_shown(page, client, text, fixed=(), rejected=(), **settings):
    """What is shown is what the service finds, given these corrections and no others."""
    wait_until_shown(page)
    asked = {"texts": [text], "fixed": [list(fixed)], "rejected": [list(rejected)], **settings}
    response = client.post("/annotate", json=asked)
    assert response.status_code == 200, response.text
    expected = response.json()["results"][0]["entities"]
    assert places(shown(page)) == places(expected)
    assert [e["confidence"] for e in shown(page)] == pytest.approx(
        [e["confidence"] for e in expected], abs=1e-5
    )


# By mouse


def test_accept_and_the_rest_changes_at_once(page, unsure):
    before = shown(page)
    page.get_by_role("button", name="Accept Who, PERSON", exact=True).click()
    who = span(TEXT, "Who", "PERSON")
    check_shown(page, unsure, TEXT, fixed=[who])
    # Another word, of which nothing was said, has become an entity, and is marked as new
    others = {e for e in places(shown(page)) if e[1] <= who["start"] or e[0] >= who["end"]}
    assert not others <= set(places(before))
    assert entity(page, "Who, PERSON, > 99.9 %, accepted").count() == 1
    new = page.locator("#found .new[role=button]").count()
    assert 0 < new == page.locator("#found").get_by_role("button", name=", new").count()
    assert page.locator("#status").inner_text() == (
        f"Who, PERSON: accepted. {len(shown(page))} entities, {new} new"
    )
    # Without the colour
    assert "✓ PERSON" in entity(page, "Who").inner_text()
    assert page.locator("#corrections li").inner_text().startswith("✓ Who PERSON accepted")
    # Candidates and tag sequences are given it, too
    (result,) = unsure.post(
        "/annotate",
        json={"texts": [TEXT], "k_best": 1, "fixed": [[who]]},
    ).json()["results"]
    (best,) = result["k_best"]
    first = page.locator("#sequences li").first.inner_text()
    assert first.startswith(f"{100 * best['probability']:.1f} %")


def test_reject(page, unsure):
    entity(page, "is, LOC").click()
    tool(page, "Reject").click()
    # No word of it is in an entity now, whatever its label
    check_shown(page, unsure, TEXT, rejected=[span(TEXT, "is", None)])
    assert all(e[1] <= 6 or e[0] >= 8 for e in places(shown(page)))
    assert page.locator("#corrections li").inner_text().startswith("✗ is LOC rejected")
    assert not page.get_by_role("toolbar").is_visible()


def test_relabel(page, unsure):
    entity(page, "is, LOC").click()
    assert tool(page, "LOC").get_attribute("aria-pressed") == "true"
    tool(page, "PERSON").click()
    check_shown(page, unsure, TEXT, fixed=[span(TEXT, "is", "PERSON")])


def test_resize_and_resize_again(page, unsure):
    entity(page, "is, LOC").click()
    tool(page, "End later").click()
    check_shown(page, unsure, TEXT, fixed=[span(TEXT, "is London", "LOC")])
    tool(page, "End later").click()
    check_shown(page, unsure, TEXT, fixed=[span(TEXT, "is London Khan", "LOC")])
    tool(page, "Start later").click()
    check_shown(page, unsure, TEXT, fixed=[span(TEXT, "London Khan", "LOC")])
    for _ in range(3):
        tool(page, "Start earlier").click()
    check_shown(page, unsure, TEXT, fixed=[span(TEXT, "\U0001f600 Who is London Khan", "LOC")])
    # There is nothing before
    assert tool(page, "Start earlier").get_attribute("aria-disabled") == "true"
    tool(page, "Start earlier").click(force=True)
    assert page.locator("#corrections li").count() == 1


@pytest.mark.parametrize("how", [{}, {"modifiers": ["Shift"]}])
def test_words_become_an_entity(how, sure_page, sure):
    page = sure_page
    words = page.locator("#found .token")
    words.get_by_text("like", exact=True).click()
    words.get_by_text("I", exact=True).click(**how)
    assert page.get_by_role("toolbar", name="Add “I like”").is_visible()
    tool(page, "PERSON").click()
    check_shown(page, sure, LONG, fixed=[span(LONG, "I like", "PERSON")])
    assert places(shown(page)) != []
    # Through an entity
    words.get_by_text("and", exact=True).click()
    entity(page, "London").click(modifiers=["Shift"])
    assert page.get_by_role("toolbar", name="Add “London and”").is_visible()
    words.get_by_text("and", exact=True).click()  # it begins anew
    assert page.get_by_role("toolbar", name="Add “and”").is_visible()
    tool(page, "Close").click()
    assert not page.get_by_role("toolbar").is_visible() and page.locator(".picked").count() == 0


def test_take_back_undo_and_start_again(page, unsure):
    is_, london = span(TEXT, "is", None), span(TEXT, "London", "LOC")
    entity(page, "is, LOC").click()
    tool(page, "Reject").click()
    wait_until_shown(page)
    page.get_by_role("button", name="Accept London, LOC", exact=True).click()
    check_shown(page, unsure, TEXT, fixed=[london], rejected=[is_])
    page.get_by_role("button", name="Take back: is, LOC, rejected").click()
    check_shown(page, unsure, TEXT, fixed=[london])
    # The focus stays where the next one is
    assert page.evaluate("document.activeElement.id") == "undo"
    page.get_by_role("button", name="Undo").click()
    check_shown(page, unsure, TEXT, fixed=[london], rejected=[is_])
    page.get_by_role("button", name="Start again").click()
    check_shown(page, unsure, TEXT)
    page.keyboard.press("Control+z")
    check_shown(page, unsure, TEXT, fixed=[london], rejected=[is_])
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    check_shown(page, unsure, TEXT)
    assert not page.locator("#corrections-part").is_visible()


def test_accept_is_taken_back_where_it_is_pressed(page, unsure):
    for _ in range(2):
        entity(page, "is, LOC").click()
        tool(page, "Accept").click()
        wait_until_shown(page)
    check_shown(page, unsure, TEXT)


def test_another_text_has_no_corrections(page, unsure):
    entity(page, "is, LOC").click()
    tool(page, "Reject").click()
    wait_until_shown(page)
    other = f"{TEXT} Who?"
    type_in(page, other)
    check_shown(page, unsure, other)
    said = page.locator("#status").inner_text()
    assert said.startswith("The text has changed: corrections are cleared. ")
    assert not page.locator("#corrections-part").is_visible()


def test_what_is_accepted_stays_whatever_the_threshold(page, unsure):
    """And the slider still acts without the service."""
    page.get_by_role("button", name="Accept Who, PERSON", exact=True).click()
    wait_until_shown(page)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for percent in (99, 40, 2):
        page.locator("#threshold").fill(str(percent))
        check = {"fixed": [span(TEXT, "Who", "PERSON")], "threshold": percent / 100}
        check_shown(page, unsure, TEXT, **check)
        assert entity(page, "Who, PERSON").count() == 1
    assert not asked


def test_a_correction_that_does_not_fit_is_taken_back(chromium):
    nlp = trained_nlp()
    ruler = nlp.add_pipe("entity_ruler", before="ner")
    ruler.add_patterns([{"label": "RULED", "pattern": "Who is"}])
    with running(nlp) as client:
        page = chromium.new_page()
        page.goto(str(client.base_url))
        wait_for(lambda: page.evaluate("service !== null"))
        type_in(page, LONG)
        before = shown(page)
        # Not by this component, so not a button
        mark = page.locator("#found mark", has_text="RULED")
        assert mark.get_attribute("role") is None
        page.locator("#found .token", has_text="?").click()
        mark.click(modifiers=["Shift"])
        tool(page, "LOC").click()
        alert = page.get_by_role("alert")
        alert.wait_for()
        assert "overlaps an entity that the doc has already" in alert.inner_text()
        assert shown(page) == before and page.evaluate("corrections.records") == []
        entity(page, "London, LOC").click()
        tool(page, "Reject").click()
        check_shown(page, client, LONG, rejected=[span(LONG, "London", None)])
        assert not alert.is_visible()
        page.close()


def test_only_what_can_be_corrected_is_a_button(chromium):
    with running(trained_nlp("ner")) as client, opened(chromium, client) as page:
        type_in(page, "I like London and Berlin.")
        assert page.locator("#found mark").count() == 2
        assert page.locator("#found").get_by_role("button").count() == 0
        for part in ("#how", "#copy-prodigy", "#corrections-part", "#found .token"):
            assert not page.locator(part).is_visible()


# Entities that overlap


def test_bars_are_buttons(overlapping_page, overlapping):
    page = overlapping_page
    before = places(shown(page))
    place = span(OVERLAPPING, "Times Square", "PLACE")
    entity(page, "Times Square, PLACE").click()
    assert page.get_by_role("toolbar", name="Correct “Times Square”, PLACE").is_visible()
    tool(page, "Accept").click()
    check_shown(page, overlapping, OVERLAPPING, fixed=[place])
    assert "✓ PLACE" in entity(page, "Times Square, PLACE").inner_text()
    # Of another label, the old one does not go by itself
    entity(page, "Times Square, PLACE").click()
    tool(page, "WORK").click()
    fixed, rejected = [{**place, "label": "WORK"}], [place]
    check_shown(page, overlapping, OVERLAPPING, fixed=fixed, rejected=rejected)
    # What overlaps it has stayed
    assert {e for e in before if e[2] == "ORG"} <= set(places(shown(page)))
    entity(page, "Times Square, WORK").click()
    tool(page, "Start earlier").click()
    fixed = [span(OVERLAPPING, "York Times Square", "WORK")]
    check_shown(page, overlapping, OVERLAPPING, fixed=fixed, rejected=rejected)


def test_words_within_entities_become_another(overlapping_page, overlapping):
    page = overlapping_page
    page.locator("#found .token").get_by_text("York", exact=True).click()
    tool(page, "PLACE").click()
    check_shown(page, overlapping, OVERLAPPING, fixed=[span(OVERLAPPING, "York", "PLACE")])


def test_bars_and_words_by_keyboard(overlapping_page, overlapping):
    page = overlapping_page
    page.focus("#examples button:last-of-type")
    for key in ("Tab", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    assert page.get_by_role("toolbar", name="Correct “Times Square”, PLACE").is_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    check_shown(
        page, overlapping, OVERLAPPING, rejected=[span(OVERLAPPING, "Times Square", "PLACE")]
    )
    # It is where the entity was
    assert page.evaluate("document.activeElement.textContent").startswith("Times")


# By keyboard


def focused(page):
    return page.evaluate("""() => {
        const node = document.activeElement;
        return node.getAttribute("aria-label") || node.textContent;
    }""")


def test_the_keyboard_alone_corrects(sure_page, sure):
    page = sure_page
    press = page.keyboard.press
    page.focus("#text")
    for _ in range(5):  # four examples, and the text as one stop
        press("Tab")
    assert focused(page) == "\U0001f600"
    assert page.locator("#found [tabindex='0']").count() == 1
    press("ArrowRight")
    assert focused(page) == "Who"
    press("ArrowDown")
    assert focused(page).startswith("Shaka Khan, PERSON, ")
    press("ArrowRight")
    assert focused(page) == "?"
    press("ArrowLeft")
    press("Enter")
    assert focused(page) == "Accept"
    press("ArrowRight")
    press("ArrowRight")
    assert focused(page) == "LOC"
    press("Enter")
    khan = span(LONG, "Shaka Khan", "LOC")
    check_shown(page, sure, LONG, fixed=[khan])
    assert focused(page) == "Shaka Khan, LOC, > 99.9 %, accepted"
    # The end, and with Ctrl the start
    press("Shift+ArrowRight")
    check_shown(page, sure, LONG, fixed=[span(LONG, "Shaka Khan?", "LOC")])
    press("Control+Shift+ArrowLeft")
    check_shown(page, sure, LONG, fixed=[span(LONG, "is Shaka Khan?", "LOC")])
    assert focused(page).startswith("is Shaka Khan?, LOC")
    press("Control+z")
    press("Control+z")
    check_shown(page, sure, LONG, fixed=[khan])
    # Leave the text, for the list
    press("Tab")
    assert focused(page) == "Take back: Shaka Khan, LOC, accepted"
    press("Enter")
    check_shown(page, sure, LONG)


def test_the_keyboard_alone_adds(sure_page, sure):
    page = sure_page
    press = page.keyboard.press
    page.focus("#examples button:last-of-type")
    for key in ("Tab", "Home", "End"):
        press(key)
    assert focused(page) == "."
    for key in ("ArrowUp", "ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft"):
        press(key)
    assert page.locator("#status").inner_text() == (
        "“like London and” is selected. Press Enter to choose a label."
    )
    press("Escape")
    assert page.locator(".picked").count() == 0 and focused(page) == "like"
    press("Shift+ArrowLeft")
    press(" ")
    assert page.get_by_role("toolbar", name="Add “I like”").is_visible()
    press("End")
    assert focused(page) == "Close"
    press("Home")
    assert focused(page) == "LOC"
    press("Enter")
    check_shown(page, sure, LONG, fixed=[span(LONG, "I like", "LOC")])
    assert focused(page).startswith("I like, LOC")


def test_escape_gives_the_focus_back(page):
    page.focus("#examples button:last-of-type")
    for key in ("Tab", "ArrowRight", "Enter", "ArrowRight", "Escape"):
        page.keyboard.press(key)
    assert focused(page).startswith("is, LOC") and not page.get_by_role("toolbar").is_visible()


def test_the_row_of_a_candidate_keeps_the_focus(page):
    button = page.get_by_role("button", name="Accept London, LOC", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    wait_until_shown(page)
    assert focused(page) == "Accept London, LOC"
    assert button.get_attribute("aria-pressed") == "true"
    page.keyboard.press("Enter")
    wait_until_shown(page)
    assert button.get_attribute("aria-pressed") == "false"


# What is read aloud, and what is seen


def test_names_for_screen_readers(page):
    text = page.get_by_role("group", name="Entities", exact=True)
    assert text.get_attribute("aria-describedby") == "how"
    entity(page, "is, LOC").click()
    toolbar = page.get_by_role("toolbar", name="Correct “is”, LOC")
    names = toolbar.get_by_role("button").evaluate_all(
        "all => all.map(button => button.getAttribute('aria-label'))"
    )
    assert names == [
        *("Accept", "Reject", "LOC", "PERSON"),
        *("Start earlier", "Start later", "End earlier", "End later", "Close"),
    ]
    for name in ("Label", "Start", "End"):
        assert toolbar.get_by_role("group", name=name, exact=True).count() == 1
    tool(page, "Accept").click()
    wait_until_shown(page)
    assert page.get_by_role("group", name="Corrections").get_by_role("button").count() == 3
    unnamed = page.evaluate("""() => [...document.querySelectorAll("button, [role=button]")]
        .filter(node => !(node.getAttribute("aria-label") || node.textContent).trim()).length""")
    assert unnamed == 0
    # Every button of the table says which candidate it is of
    rows = page.locator("#candidates").get_by_role("button")
    labels = rows.evaluate_all("all => all.map(button => button.ariaLabel)")
    assert len(set(labels)) == len(labels) == 2 * page.locator("#candidates tr").count()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1000])
@pytest.mark.parametrize("kind", ["page", "overlapping_page"])
def test_it_fits_and_can_be_read(kind, scheme, width, request):
    page = request.getfixturevalue(kind)
    page.set_viewport_size({"width": width, "height": 640})
    page.emulate_media(color_scheme=scheme)
    for act in ("Accept", "Reject"):
        page.locator("#found mark[role=button]").nth(1).click()
        tool(page, act).click()
        wait_until_shown(page)
    page.locator("#found mark[role=button]").last.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert min(page.evaluate(CONTRASTS)) >= 4.5
    # The toolbar does not cover what it is about
    edited = page.locator("#found .edited").bounding_box()
    toolbar = page.get_by_role("toolbar").bounding_box()
    assert edited["y"] >= 0 and edited["y"] + edited["height"] <= toolbar["y"] + 1
    assert toolbar["y"] + toolbar["height"] <= 641


# Taking it away


def copied(page, name):
    page.get_by_role("button", name=name).click()
    wait_for(lambda: page.locator("#copied").inner_text() == "Copied")
    return page.evaluate("navigator.clipboard.readText()")


def with_corrections(page):
    for name, act in (("Shaka Khan, PERSON", "Accept"), ("London, LOC", "Reject")):
        entity(page, name).click()
        tool(page, act).click()
        wait_until_shown(page)
    return [tuple(place) for place in places(shown(page))]


def test_copy_for_prodigy(sure_page, tmp_path):
    expected = with_corrections(sure_page)
    task = copied(sure_page, "Copy for Prodigy")
    assert "\n" not in task
    path = tmp_path / "tasks.jsonl"
    path.write_text(f"{task}\n", encoding="utf8")
    (doc,) = read(path, "prodigy", FormatSettings(), Findings())
    assert doc.text == LONG
    assert [(e.start_char, e.end_char, e.label_) for e in doc.ents] == expected != []
    assert all(token.ent_iob for token in doc)  # the rest is known to be outside
    words = spacy.blank("en")(LONG)
    tokens = json.loads(task)["tokens"]
    assert [(t["start"], t["end"], t["id"], t["text"], t["ws"]) for t in tokens] == [
        (t.idx, t.idx + len(t), t.i, t.text, bool(t.whitespace_)) for t in words
    ]
    for one in json.loads(task)["spans"]:
        found = words[one["token_start"] : one["token_end"] + 1]
        assert (found.start_char, found.end_char) == (one["start"], one["end"])


def test_save_as_docbin(sure_page, tmp_path):
    expected = with_corrections(sure_page)
    with sure_page.expect_download() as download:
        sure_page.get_by_role("button", name="Save as .spacy").click()
    assert download.value.suggested_filename == "annotated.spacy"
    path = tmp_path / "annotated.spacy"
    download.value.save_as(path)
    (doc,) = DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)
    assert doc.text == LONG
    assert [(e.start_char, e.end_char, e.label_) for e in doc.ents] == expected != []
    assert sure_page.locator("#copied").inner_text() == "Saved"
