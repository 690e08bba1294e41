"""Texts under open licences: what is read of each format, how it is cleaned, packed and indexed."""

import hashlib
import json
import os
import re
import subprocess
from io import BytesIO
from itertools import chain, pairwise
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks.encoder.texts import cleaning, extraction
from benchmarks.encoder.texts.__main__ import main
from benchmarks.encoder.texts.cleaning import CHAT, MAX_WORDS, MIN_WORDS, PACK_WORDS
from benchmarks.encoder.texts.clones import Clone
from benchmarks.encoder.texts.extraction import extract, mix, read_texts, texts_of
from benchmarks.encoder.texts.readers import books, chat, law, markup, medicine, speeches, web
from benchmarks.encoder.texts.sources import SOURCES, Source
from benchmarks.harness.command import app_of
from benchmarks.harness.paths import ROOT
from spacy_bilstm_crf.common.errors import UserError

PROSE = "The people of the town had been waiting for him since the morning, and they were not glad."


def read(reader, text):
    """Paragraphs of each document, as they are after cleaning."""
    documents = [map(cleaning.clean, document) for document in reader(text.encode())]
    return [[paragraph for paragraph in document if paragraph] for document in documents]


# Readers


def test_bytes_that_are_not_utf8_are_cp1252():
    assert markup.decode("na\u00efve".encode()) == "na\u00efve"
    assert markup.decode(b"na\xefve \x93so\x94") == "na\u00efve \u201cso\u201d"


def test_a_standard_ebook_without_verse_and_notes():
    chapter = """<section><header><p>Of epigraphs</p></header><h2>I</h2>
        <p>One <i>bright</i> day&amp;night.<a href="n.xhtml#1" epub:type="noteref">1</a></p>
        <table><tr><td><p>Seven</p></td></tr></table>
        <blockquote epub:type="z3998:verse"><p><span>Roses</span><br/></p>
        <p>are<br/>red<br/>.</p></blockquote><p class="x">He said:<br/>Go.</p></section>"""
    assert read(books.standard_ebook, chapter) == [["One bright day&night.", "He said: Go."]]


def test_a_textbook_without_exercises_and_formulas():
    module = """<document><metadata><md:title>Taxes</md:title></metadata><content>
        <para id="1">A <term>tax</term> is paid.<footnote id="f">Not here.</footnote></para>
        <para>It is <m:math><m:mi>x</m:mi></m:math>.</para><para>See <link target="1"/>.</para>
        <para>Visit this website.</para><para>Two:<list><item>wages</item></list></para>
        <exercise><problem><para>What is a tax?</para></problem></exercise>
        <glossary><definition><para>Money.</para></definition></glossary></content></document>"""
    assert read(books.openstax, module) == [["A tax is paid.", "Two:"]]


def test_a_log_of_a_channel():
    log = """[12:01] <ann> bob: have you tried to install it
        [12:02] <bob> yes I have
        === carl has joined #ubuntu
        [12:03] <ubottu> I am only a bot
        [12:03] <carl> see https://example.org for more
        [12:03] <carl> !grub is the word
        [12:04] <carl> it is in /etc/apt/sources.list
        [12:04] <carl> ok"""
    assert read(chat.irc_log, re.sub(r"\n +", "\n", log)) == [
        ["have you tried to install it", "yes I have"]
    ]


REASONING = "The court below found that the officers had no warrant for the search of the house, "
LONG_REASONING = REASONING + "and we see no error in what it found."


def test_an_opinion_in_html():
    counsel = f"<p>{REASONING} Ann Lee and Joe Roe were on the brief for the appellant here.</p>"
    noted = LONG_REASONING.replace("below", 'below<sup>3</sup><a class="footnote" href="#">3</a>')
    page = '<span class="star-pagination">*12</span>'
    html = f"<center><p>{LONG_REASONING}</p></center>{counsel}<p/>{page}{noted}</p><p>Affirmed.</p>"
    record = {"html_lawbox": "", "html": html, "plain_text": "Not read."}
    assert read(law.opinion, json.dumps(record)) == [[LONG_REASONING]]


def test_an_opinion_in_plain_text():
    words = LONG_REASONING.replace("officers", "offi- cers")
    lines = [words[:30], words[30:60].lstrip(), words[60:]]
    text = (
        "Case: 12-1 Page: 1\n\n    UNITED STATES\n    v. ROE\n\n          "
        + "\n".join(lines[:2])
        + "\n\n   - 2 -\n\f"
        + lines[2]
        + "\n      Affirmed.\n"
    )
    found = read(law.opinion, json.dumps({"plain_text": text}))
    assert [[each.replace(" ", "") for each in document] for document in found] == [
        [LONG_REASONING.replace(" ", "")]
    ]
    assert law.opinion(b"{") == []


def test_a_section_of_a_code():
    section = """<section><num>1-101</num><heading><text>Title</text></heading>
        <text>The Mayor shall <em>serve</em>.</text>
        <para><num>(1)</num><text>For a year</text></para>
        <text>D.C. Law 3-4, section 5.</text><aftertext>and no more.</aftertext>
        <annotations><text>An old history.</text></annotations></section>"""
    assert read(law.dc_section, section) == [
        ["The Mayor shall serve.", "For a year", "and no more."]
    ]
    assert law.dc_section(b"<section><text>[Repealed].</text><text>Of 1999.</text></section>") == []


def test_answers_to_patients():
    document = """<QAPair><Question>What?</Question><Answer>Key Points
          - A summary.

        Fever is common. - It can last (See the figure). For a week.

        Click here to enlarge.      Rest helps.</Answer></QAPair><Answer></Answer>
        <Answer>Salt &amp;lt; sugar.</Answer>"""
    found = read(medicine.medquad, document)
    assert found == [
        ["Fever is common. It can last . For a week.", "Rest helps."],
        [],
        ["Salt < sugar."],
    ]


def test_a_page_in_markdown():
    page = """---
title: A post
---
# A headline of a post that has as many words.

We have [written a guide](https://example.org) for *all* the people, with `code`[^1].
{{< ref "x" >}}
- The first of the things that you may need.
- Short.

| a table | of | many | cells | in | a | row. |

```
code that is not prose for all that it is.
```
<p>A paragraph in HTML, which has a <b>bold</b> word.</p>

Subscribe to what we have to say, all of you.

This is one that does not end as a sentence
"""
    assert read(web.markdown, page) == [
        [
            "We have written a guide for all the people, with code .",
            "The first of the things that you may need.",
            "A paragraph in HTML, which has a bold word.",
        ]
    ]


def test_a_speech_of_the_federal_reserve():
    body = "The rate is what it was when we met, and it will be for the rest of the year.1 "
    speech = "It is right that we tell this to everyone who wants to know about it."
    page = f"Toggle Menu\nAbout the Fed\nWatch Live\nShare {body * 30}\n1. A note.\n{speech}"
    found = read(speeches.federal_reserve, f"{page}\nFootnotes\nThe first of the notes we have.")
    assert found == [[f"{body.replace('.1', '.') * 30}{speech}"]]
    assert speeches.federal_reserve(b"A page that is not there.") == []


def test_a_prime_minister_since_1996():
    def transcript(year):
        return f"""<release-date>01/02/{year}</release-date><content><![CDATA[
            <p>TRANSCRIPT OF THE PRIME MINISTER</p><p>JOURNALIST: Is it?</p>
            <p>PM: It';s [laughter] <b>so</b>.</p>That is all I have<br><br />ENDS]]></content>"""

    assert read(speeches.prime_minister, transcript(1995)) == []
    assert read(speeches.prime_minister, transcript(1996)) == [["Is it?", "It's so."]]


def test_a_press_release_of_a_senator():
    said = f"{PROSE} {PROSE} {PROSE} {PROSE}"
    release = f"""Home Page: Latest News, of the day.

        Senator says that he has said it, and so on.
        WASHINGTON, D.C. \u2013 {said}

        Contact: Ann Lee, in the office of the senator.

        SENATOR SAYS HE HAS IT {PROSE}

        # # #

        {PROSE}"""
    assert read(speeches.senator, release) == [[said, PROSE]]
    assert speeches.senator(release.replace(",", "").encode()) == []  # lost its punctuation
    assert speeches.senator(PROSE.encode()) == []  # too short


def test_a_zip_of_presidents():
    data = BytesIO()
    with ZipFile(data, "w") as archive:
        archive.writestr("u/b.txt", "BY THE PRESIDENT\nSecond. (Applause.)\nThird.")
        archive.writestr("u/a.txt", "First.")
        archive.writestr("README", "Not read.")
    assert speeches.presidents(data.getvalue()) == [["First."], ["Second. ", "Third."]]


# Cleaning


@pytest.mark.parametrize(
    "text, expected",
    [
        ("It\u00e2\u20ac\u2122s  Fran\u00c3\u00a7ois", "It\u2019s Fran\u00e7ois"),
        ("\u00c2 ni\u00f1o \u00e2ge", "\u00c2 ni\u00f1o \u00e2ge"),  # letters, not mojibake
        ("it\u0092s \u0093so\u0094", 'it\'s "so"'),
        ("soft\u00adhyphen\ufeff\u200b non\u2011breaking", "softhyphen non-breaking"),
        ("a &amp; b\n\tc\u00a0d\x07", "a & b c d"),
        ("e\u0301", "\u00e9"),
    ],
)
def test_clean(text, expected):
    assert cleaning.clean(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Two words",
        "rates of (12.5), (34.25) and of (17.75)",  # numbers
        "a b c d e f g h i",  # short words
        "THE PEOPLE OF THE TOWN HAD BEEN WAITING",
        "Boston dynamics robots Tokyo electric power Siemens energy Toyota motor Nestle foods",
        f"{PROSE} {'x' * 46}",
        f"{PROSE} | a | b |",
    ],
)
def test_what_is_not_prose(text):
    assert not cleaning.is_prose(text)


def test_what_is_prose():
    assert cleaning.is_prose(PROSE)
    assert cleaning.is_prose(f"{PROSE} *")  # one mark may be
    chat = "sudo apt install grub then reboot your laptop twice please it works great now"
    assert cleaning.is_prose(chat, CHAT) and not cleaning.is_prose(chat)


def test_sentences():
    text = 'He went to St. Ives. "Why?" she asked. \u201cNo.\u201d (It was late.) 12 left'
    found = cleaning.sentences(text)
    assert " ".join(found) == text
    expected = ["He went to St.", "Ives.", '"Why?" she asked.', "\u201cNo.\u201d", "(It was late.)"]
    assert found == [*expected, "12 left"]
    assert cleaning.prose_sentences(f"{PROSE} 1 2 3 4. {PROSE}") == f"{PROSE} {PROSE}"


# Packing

WORDS = st.sampled_from(["the", "of", "town", "people", "and"])
SENTENCES = st.integers(1, 450).flatmap(
    lambda n: st.builds(lambda word: " ".join(["A", *[word] * (n - 1)]) + ".", WORDS)
)
PARAGRAPHS = st.lists(st.lists(SENTENCES, min_size=1, max_size=6).map(" ".join), max_size=8)


def without_long(paragraph):
    """Words of a paragraph, less the sentences that no text can have."""
    parts = cleaning.sentences(paragraph)
    return [word for part in parts if len(part.split()) <= MAX_WORDS for word in part.split()]


@given(PARAGRAPHS)
def test_packing_keeps_the_order_and_the_words(paragraphs):
    texts = list(cleaning.pack(paragraphs))
    words = [text.split() for text in texts]
    assert list(chain(*words)) == list(chain(*map(without_long, paragraphs)))
    assert all(len(of_text) <= MAX_WORDS for of_text in words)
    # One that is not full was followed by what does not fit into it, or by nothing
    for one, other in pairwise(words):
        assert len(one) >= PACK_WORDS or len(one) + len(other) > MAX_WORDS


@given(PARAGRAPHS)
def test_texts_have_no_fewer_and_no_more_words(paragraphs):
    texts = list(texts_of([paragraphs], source()))
    assert all(MIN_WORDS <= len(text.split()) <= MAX_WORDS for text in texts)
    words = iter(" ".join(paragraphs).split())
    assert all(word in words for text in texts for word in text.split())  # in this order


def test_chat_keeps_its_lines():
    assert list(cleaning.pack(["one two", "three"], "\n")) == ["one two\nthree"]


# Sources


def source(**changes):
    given = {
        "name": "medquad",
        "domain": "medicine",
        "repository": "ann/texts",
        "pattern": r"\.txt$",
    }
    lines = {
        "read": lambda data: [data.decode().split("\n")],
        "licence": "CC0",
        "stated": "LICENSE",
    }
    return Source(**{**given, **lines, **changes})


def numbered(*numbers):
    """Paragraphs that are each a text."""
    return [f"{PROSE} {PROSE} {PROSE} This is the house number {n} of the street." for n in numbers]


def git(*arguments):
    person = {"NAME": "Ann", "EMAIL": "ann@example.org"}
    env = {f"GIT_{who}_{what}": person[what] for who in ("AUTHOR", "COMMITTER") for what in person}
    command = ["git", "-c", "init.defaultBranch=main", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **env})


@pytest.fixture
def clones(tmp_path):
    """A folder with a clone that is not bare."""
    folder = tmp_path / "clones" / "ann+texts"
    (folder / "d").mkdir(parents=True)
    files = {
        "d/\u00e9.txt": "\n".join(numbered(1, 2)),
        "b.txt": "\n".join(numbered(3)),
        "c.md": "-",
    }
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf8")
    git("init", folder)
    git("-C", folder, "add", ".")
    git("-C", folder, "commit", "-m", "Texts")
    (folder / "b.txt").write_text("changed, but not committed")
    return folder.parent


def bare(clones, place):
    git("clone", "--bare", clones / "ann+texts", clones.parent / "bare" / place)
    return clones.parent / "bare"


@pytest.mark.parametrize("place", ["", "ann+texts", "ann+texts/repo"])
def test_a_clone_is_read_at_head(place, clones):
    clone = Clone.of(bare(clones, place) if place else clones, "ann/texts")
    files = clone.files(r"\.txt$")
    assert [file.path for file in files] == ["b.txt", "d/\u00e9.txt"]
    assert [data.decode().split("\n") for data in clone.contents(files)] == [
        numbered(3),
        numbered(1, 2),
    ]
    assert re.fullmatch("[0-9a-f]{40}", clone.commit())
    assert clone.commit() == Clone.of(clones, "ann/texts").commit()


def test_a_clone_that_is_not_there_or_lacks_files(clones):
    with pytest.raises(UserError, match=r"No clone of ann/books: .*ann\+books"):
        Clone.of(clones, "ann/books")
    clone = Clone.of(clones, "ann/texts")
    [file] = clone.files("^b")
    (clone.git_dir / "objects" / file.blob[:2] / file.blob[2:]).unlink()
    with pytest.raises(UserError, match=r"lacks b\.txt"):
        list(clone.contents([file]))
    empty = clones / "ann+empty"
    git("init", empty)
    with pytest.raises(UserError, match="can't be read"):
        Clone.of(clones, "ann/empty").commit()


def test_texts_and_their_entry_are_written(clones, tmp_path):
    entry = extract(source(), Clone.of(clones, "ann/texts"), tmp_path)
    written = (tmp_path / "medquad.jsonl").read_bytes()
    assert read_texts(tmp_path / "medquad.jsonl") == numbered(3, 1, 2)
    assert entry["md5"] == hashlib.md5(written).hexdigest()
    assert entry["n_texts"] == 3
    assert entry["n_words"] == sum(len(text.split()) for text in numbered(1, 2, 3))
    index = json.loads((tmp_path / extraction.INDEX).read_bytes())
    assert index == [entry]


def test_the_index_has_the_sources_of_the_table_in_order(clones, tmp_path):
    (tmp_path / extraction.INDEX).write_text('[{"name": "gone", "domain": "law"}]')
    clone = Clone.of(clones, "ann/texts")
    changes = [{}, {"name": "dc_code", "domain": "law"}, {"pattern": "^b"}]
    entries = [extract(source(**each), clone, tmp_path) for each in changes]
    assert json.loads((tmp_path / extraction.INDEX).read_bytes()) == [entries[1], entries[2]]


def test_duplicates_and_what_is_not_prose_are_dropped():
    one, two = numbered(1, 2)
    again = one.upper().capitalize().replace(",", "")  # the same but for marks and capitals
    documents = [[one, "1 2 3 4 5 6 7 8 9", again], [f"- {two}", one]]
    assert list(texts_of(documents, source())) == [one, two]
    assert list(texts_of(documents, source(), known=[one])) == [two]


def test_short_paragraphs_may_be_repeated():
    said = [
        "\u201cNo,\u201d he said.",
        PROSE,
        "\u201cNo,\u201d he said.",
        PROSE.replace("him", "her"),
    ]
    assert list(texts_of([said], source())) == [" ".join(said)]


def test_a_source_without_what_another_has(clones, tmp_path):
    clone, later = Clone.of(clones, "ann/texts"), source(name="later", minus=("medquad",))
    with pytest.raises(UserError, match="leaves out the texts of medquad: add --source medquad"):
        extract(later, clone, tmp_path)
    extract(source(pattern="^b"), clone, tmp_path)
    extract(later, clone, tmp_path)
    assert read_texts(tmp_path / "later.jsonl") == numbered(1, 2)


def test_the_cap_ends_after_a_document_of_a_sample(clones, tmp_path):
    clone = Clone.of(clones, "ann/texts")
    capped = source(cap=1)
    paths = ["b.txt", "d/\u00e9.txt"]
    first = min(paths, key=lambda path: hashlib.md5(path.encode()).hexdigest())
    extract(capped, clone, tmp_path)
    assert read_texts(tmp_path / "medquad.jsonl") == numbered(*{"b.txt": [3]}.get(first, [1, 2]))
    enough = source(cap=1 + len(" ".join(numbered(1, 2)).split()))
    assert extract(enough, clone, tmp_path)["n_texts"] == 3


def test_a_mixture_has_about_as_many_words_of_each_domain(tmp_path):
    def write(name, texts):
        lines = [json.dumps({"text": text}) for text in texts]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))

    medicine_texts, law_texts = numbered(*range(50)), numbered(*range(100, 150))
    write("medquad", medicine_texts)
    write("dc_code", law_texts)
    write("ubuntu_irc", numbered(1000))  # of a domain that is not mixed
    write("other", numbered(2000))
    n = len(numbered(1)[0].split())
    expected = {"news": 0, "law": 10 * n, "finance": 0, "medicine": 10 * n, "fiction": 0}
    assert mix(tmp_path, 9 * n + 1) == expected
    mixed = read_texts(tmp_path / extraction.MIX)
    assert len(set(mixed) & set(law_texts)) == len(set(mixed) & set(medicine_texts)) == 10
    assert len(mixed) == 20
    written = (tmp_path / extraction.MIX).read_bytes()
    mix(tmp_path, 9 * n + 1)
    assert (tmp_path / extraction.MIX).read_bytes() == written


def test_the_index_of_the_repository_is_of_the_table():
    path = ROOT / "benchmarks" / "encoder" / "texts" / extraction.INDEX
    entries = {entry["name"]: entry for entry in json.loads(path.read_bytes())}
    assert entries.keys() == SOURCES.keys()
    for name, entry in entries.items():
        each = SOURCES[name]
        stated = (each.domain, each.repository, each.pattern, each.licence, each.stated)
        names = ("domain", "repository", "path_pattern", "licence", "licence_stated")
        assert tuple(entry[key] for key in names) == stated
        assert each.cap is None or entry["n_words"] < each.cap + 10_000
        assert re.fullmatch("[0-9a-f]{40}", entry["commit"])


# The command


def command(*arguments):
    return CliRunner().invoke(app_of(main), list(map(str, arguments)), env={"COLUMNS": "100"})


def test_the_command(clones, tmp_path):
    out = tmp_path / "out"
    (clones / "ann+texts").rename(clones / "jkkummerfeld+irc-disentanglement")
    folder = clones / "jkkummerfeld+irc-disentanglement"
    (folder / "data").mkdir()
    (folder / "data" / "a.raw.txt").write_text(
        f"[10:00] <ann> {PROSE}\n[10:01] <bob> {PROSE[4:]}\n"
    )
    git("-C", folder, "add", ".")
    git("-C", folder, "commit", "-m", "A log")
    done = command(clones, out, "--source", "ubuntu_irc", "--mix", 10)
    assert done.exit_code == 0, done.output
    assert "ubuntu_irc: 1 texts, 35 words" in done.output
    assert read_texts(out / "ubuntu_irc.jsonl") == [f"{PROSE}\n{PROSE[4:]}"]
    assert sorted(path.name for path in out.iterdir()) == [
        extraction.MIX,
        extraction.INDEX,
        "ubuntu_irc.jsonl",
    ]


def test_an_unknown_source_is_an_error_of_one_line(tmp_path):
    done = command(tmp_path, tmp_path / "out", "--source", "wikipedia")
    assert done.exit_code == 2
    *_, last = done.output.strip().splitlines()
    assert re.search(r"'wikipedia' is not a source\. Their names are in \S+sources\.json\.", last)
    assert not (tmp_path / "out").exists()


def test_a_missing_clone_is_an_error_before_any_work(tmp_path):
    done = command(tmp_path, tmp_path / "out")
    assert done.exit_code == 1
    assert done.output.startswith("Error: No clone of lintool/GrimmerSenatePressReleases")
    assert done.output.count("\n") == 1
    assert not (tmp_path / "out").exists()
