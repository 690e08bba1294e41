"""Tokens of any text in linear time, and spaCy's own tokens for any that people write."""

import time

import pytest
import spacy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc

from spacy_bilstm_crf.data import tokenization
from spacy_bilstm_crf.data.tokenization import STRETCH, make_doc

NLP = {lang: spacy.blank(lang) for lang in ("en", "es", "ru")}
# Much more than it takes: without cuts it would be minutes
SECONDS = 10
WORDS = ["EE.", "UU.", "EE. UU.", "в т.ч.", "в", "can't", "C++", "a", "(", "!?", "...", "'s"]
SPACES = [" ", "  ", "\n", "\r\n", "\t", "\u00a0", " \n "]


def attributes(doc):
    return [(token.text, token.whitespace_, token.norm_, token.idx) for token in doc]


@pytest.mark.parametrize("lang", NLP)
@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(WORDS + SPACES), max_size=60))
@example(["EE. UU.", " "] * 20)
@example(["\n"] * 30 + ["EE. UU."])
def test_texts_in_pieces_have_the_tokens_of_the_whole(lang, parts):
    text = "".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenization, "PIECE", 5)
        assert attributes(make_doc(NLP[lang], text)) == attributes(NLP[lang].make_doc(text))


def test_a_long_text_has_the_tokens_of_the_whole():
    text = "Ruth Tehana can't leave  the U.S.\n(Lisbon) for 3km/h.\r\n\r\n" * 500
    assert len(text) > 5 * tokenization.PIECE
    assert attributes(make_doc(NLP["en"], text)) == attributes(NLP["en"].make_doc(text))


@pytest.mark.parametrize("apart", [None, 150])
def test_the_time_is_linear(apart):
    """Without cuts, each of these would take from half a minute to minutes."""
    stretches = ["!.", "._", "_.", "….", "'s.", "US$", "\U0001f600", "$%", "ftp://a@", ":@a.", "a:"]
    for stretch in stretches:
        text = (stretch * 20_000)[:20_000]
        if apart is not None:
            text = " ".join(text[i : i + apart] for i in range(0, 20_000, apart))
        assert took(text) < SECONDS


def took(text):
    begin = time.process_time()
    with NLP["en"].memory_zone():  # where the tokenizer has no cache
        assert make_doc(NLP["en"], text).text == text
    return time.process_time() - begin


def test_single_patterns_that_are_quadratic():
    for text in ("a" + "." * 50_000 + "a", "a" + ":@" * 20_000 + "1x"):
        assert took(text) < SECONDS


def test_a_stretch_is_cut_after_a_symbol():
    names = "Lisbon,Berlin,Paris," * 30
    assert attributes(make_doc(NLP["en"], names)) == attributes(NLP["en"].make_doc(names))
    pieces = [token.text for token in make_doc(NLP["en"], "x" * 450)]
    assert pieces == ["x" * STRETCH, "x" * STRETCH, "x" * 50]
    fits = "x." * (STRETCH // 2)
    assert attributes(make_doc(NLP["en"], fits)) == attributes(NLP["en"].make_doc(fits))


def test_other_tokenizers_are_given_the_whole_text():
    class Whole(Tokenizer):
        def __call__(self, text):
            return Doc(self.vocab, words=[text])

    nlp = spacy.blank("en")
    nlp.tokenizer = Whole(nlp.vocab)
    assert len(make_doc(nlp, "x" * 1000)) == 1


def test_the_limit_of_the_pipeline_holds_for_the_whole_text():
    nlp = spacy.blank("en")
    nlp.max_length = 1000
    with pytest.raises(ValueError, match="E088"):
        make_doc(nlp, "x" * 1001)
