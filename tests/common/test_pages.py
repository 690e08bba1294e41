"""What all pages share: the template, number formats, windows of texts, the frame in a notebook."""

import re
from html import unescape

import pytest

from spacy_bilstm_crf.common.pages import (
    as_frame,
    interval,
    percent,
    render,
    text_window,
    thousands,
)
from tests.browser import browser, noted


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page of a package that has a template of its own."""
    (tmp_path / "some_package").mkdir()
    (tmp_path / "some_package" / "__init__.py").touch()
    (tmp_path / "some_package" / "page.html.jinja").write_text(
        '{% extends "base.html.jinja" %}'
        "{% block title %}About {{ name }}{% endblock %}"
        "{% block head %}h1 { color: rgb(1, 2, 3); }{% endblock %}"
        '{% block content %}<h1>{{ name }}</h1><a href="#far">far</a><p>{{ n|thousands }}</p>'
        '<div style="height: 9000px"></div><h2 id="far">Far</h2>{% endblock %}'
    )
    monkeypatch.syspath_prepend(tmp_path)
    return render("some_package", "page.html.jinja", name="<b> & 'x'", n=12345)


def test_a_page_has_all_it_needs_and_escapes_its_values(page):
    assert page.startswith("<!DOCTYPE html>") and "<title>About &lt;b&gt; &amp; &#39;x&#39;" in page
    assert "<b>" not in page and "12,345" in page and "h1 { color" in page
    assert re.search(r"<footer>.*spacy-bilstm-crf \d", page)
    assert not re.findall(r"(?:src|href)\s*=\s*[\"'](?!#)", page)


def test_formats():
    assert [percent(0.1234), percent(None), thousands(1234567)] == ["12.3", "–", "1,234,567"]  # noqa: RUF001
    assert interval({"low": 0.5, "high": 1.0}) == "50.0 to 100.0"
    assert interval({"low": None, "high": None}) == ""


def test_a_window_has_whole_words_around_its_spans():
    text = "word " * 1000
    first, last = text_window(text, [(2000, 2004), (2010, 2014)])
    assert text[first:last].split() == ["word"] * ((last - first + 1) // 5)
    assert 1890 < first < 1905 and 2110 < last < 2125
    assert text_window("short", [(0, 5)]) == (0, 5)
    assert text_window(f"Ostrava{' x' * 50}", [(103, 104)]) == (0, 107)
    assert text_window(f"{'x ' * 50}Ostrava", [(0, 1)]) == (0, 107)
    assert text_window("y" * 5000, [(2000, 2001)]) == (1900, 2101)


def test_a_frame_holds_the_whole_page(page):
    frame = as_frame(page)
    (content,) = re.findall(r'srcdoc="([^"]*)"', frame)
    assert unescape(content).replace('<base href="about:srcdoc">', "") == page
    assert 'sandbox="allow-scripts"' in frame


class TestInChromium:
    pytestmark = browser

    def test_a_frame_keeps_to_itself(self, page, tmp_path):
        # Without its sandbox, so that a script outside can look into it
        frame = as_frame(page).replace(' sandbox="allow-scripts"', "")
        notebook = f"<!DOCTYPE html><html><head></head><body><h1>Cell</h1>{frame}</body></html>"
        script = """
        const frame = document.querySelector("iframe");
        frame.onload = () => {
          const inner = frame.contentDocument;
          note(getComputedStyle(document.querySelector("h1")).color);
          note(getComputedStyle(inner.querySelector("h1")).color);
          inner.querySelector("a").click();
          note(frame.contentWindow.location.href);
          note(frame.contentWindow.scrollY > 5000);
        };
        frame.srcdoc = frame.srcdoc;
        """
        assert noted(notebook, tmp_path, script) == [
            "rgb(0, 0, 0)",
            "rgb(1, 2, 3)",
            "about:srcdoc#far",
            "true",
        ]
