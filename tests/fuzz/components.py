"""Components and tokenizers as users write them, and pipelines in which ours is one of many.

Each does what it does by the words of a doc and a seed, so that it does the same again.
"""

import random
from functools import cache
from typing import Any, NamedTuple

import spacy
import torch
from hypothesis import note
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.util import DummyTokenizer, fix_random_seed

from tests.fuzz.strategies import LABELS, UNKNOWN
from tests.helpers import SMALL_MODEL

OURS = "bilstm_crf_ner"
MODEL = {**SMALL_MODEL, "hidden_width": 16}
PATTERNS = [
    {"label": "LOC", "pattern": [{"TEXT": "London"}], "id": "Q84"},
    {"label": "PERSON", "pattern": [{"TEXT": "Ada"}]},
    {"label": UNKNOWN, "pattern": [{"IS_DIGIT": True}]},
    {"label": "LOC", "pattern": [{"TEXT": "in"}, {"IS_ALPHA": True}]},
]


def dice_for(doc, seed):
    return random.Random(f"{seed} {[token.text for token in doc]}")


# Tokenizers


class FuzzTokenizer(DummyTokenizer):
    """A tokenizer without rules, of one of several kinds."""

    def __init__(self, vocab, kind):
        self.vocab = vocab
        self.split = TOKENIZERS[kind]

    def __call__(self, text):
        words, spaces = self.split(text)
        return Doc(self.vocab, words=words, spaces=spaces)


def at_blanks(text):
    """Split at each blank, as in spaCy's documentation; other white space stays in words."""
    words = text.split(" ")
    spaces = [True] * len(words)
    for i, word in enumerate(words):
        if word == "":
            words[i], spaces[i] = " ", False
    if words[-1] == " ":
        words, spaces = words[:-1], spaces[:-1]
    else:
        spaces[-1] = False
    return words, spaces


def characters(text):
    return list(text), [False] * len(text)


def one_blank(text):
    """Leave one blank of any white space, as spaCy's tokenizer for Korean does."""
    words = text.split()
    return words, [True] * (len(words) - 1) + [False] * bool(words)


def with_more(text):
    """Add words that are not in the text, as those of transformers do."""
    words = ["[CLS]", *text.split(), "[SEP]"]
    return words, [True] * len(words)


def in_lower_case(text):
    return at_blanks(text.lower())


TOKENIZERS = {
    "at blanks": at_blanks,
    "characters": characters,
    "one blank": one_blank,
    "with more": with_more,
    "in lower case": in_lower_case,
}


@spacy.registry.tokenizers("fuzz_tokenizer")
def make_tokenizer(kind: str):
    return lambda nlp: FuzzTokenizer(nlp.vocab, kind)


# Components


def seeded(name, **options):
    """Register a function of a doc and its dice as a factory with a seed."""

    def register(function):
        def make(nlp, name: str, seed: int = 0):
            return lambda doc: function(doc, dice_for(doc, seed)) or doc

        Language.factory(name, default_config={"seed": 0}, func=make, **options)
        return function

    return register


@seeded("fuzz_parse")
def parse(doc, dice):
    """Set heads, dependencies and parts of speech, for those who merge by them."""
    deps = [dice.choice(["subtok", "nsubj", "det", "compound", "punct"]) for _ in doc]
    for token in doc:
        token.pos_ = dice.choice(["NOUN", "DET", "PROPN", "VERB"])
        token.dep_ = deps[token.i] if token.i else "ROOT"
        token.head = doc[max(0, token.i - 1)]


@seeded("fuzz_sentences")
def sentences(doc, dice):
    for token in doc:
        token.is_sent_start = dice.choice([None, True, False])


@seeded("fuzz_merge", retokenizes=True)
def merge(doc, dice):
    start, spans = 0, []
    while start < len(doc):
        end = min(len(doc), start + dice.choice([1, 1, 2, 3]))
        if end - start > 1:
            spans.append(doc[start:end])
        start = end
    with doc.retokenize() as retokenizer:
        for span in spans:
            retokenizer.merge(span, attrs=dice.choice([{}, {"LEMMA": "merged"}]))


@seeded("fuzz_split", retokenizes=True)
def split(doc, dice):
    with doc.retokenize() as retokenizer:
        for token in doc:
            if len(token.text) > 1 and dice.random() < 0.4:
                cut = dice.randrange(1, len(token.text))
                orths = [token.text[:cut], token.text[cut:]]
                retokenizer.split(token, orths, heads=[(token, 0), (token, 0)])


@seeded("fuzz_entities", assigns=["doc.ents"])
def set_entities(doc, dice):
    """Set entities in place of those that are there, or beside them."""
    kept = list(doc.ents) if dice.random() < 0.5 else []
    taken = {i for ent in kept for i in range(ent.start, ent.end)}
    start = 0
    while start < len(doc):
        end = min(len(doc), start + dice.randrange(1, 4))
        if dice.random() < 0.3 and taken.isdisjoint(range(start, end)):
            span = Span(doc, start, end, dice.choice([*LABELS, UNKNOWN]), kb_id="Q1", span_id="x")
            kept.append(span)
            taken.update(range(start, end))
        start = end
    left = [doc[i : i + 1] for i in range(len(doc)) if i not in taken]
    marks = {kind: [] for kind in ("blocked", "missing", "outside")}
    for span in left:
        marks[dice.choice(list(marks))].append(span)
    doc.set_ents(kept, **marks)


@seeded("fuzz_spans")
def set_spans(doc, dice):
    for key in dice.sample(["candidates", "sure", "others", "sc"], 2):
        spans = [
            Span(doc, i, min(len(doc), i + dice.randrange(1, 4)), dice.choice(LABELS))
            for i in range(len(doc))
            if dice.random() < 0.4
        ]
        attrs = dice.choice([{}, {"scores": [dice.random() for _ in spans]}, {"mine": 1}])
        doc.spans[key] = SpanGroup(doc, name=key, spans=spans, attrs=attrs)


@seeded("fuzz_user_data")
def set_user_data(doc, dice):
    for of in (Doc, Span):
        if not of.has_extension("fuzz"):
            of.set_extension("fuzz", default=None)
    doc._.fuzz = dice.random()
    for ent in doc.ents:
        ent._.fuzz = dice.random()
    doc.user_data["fuzz"] = {"a": [1, None]}


@seeded("fuzz_copy")
def copy(doc, dice):
    """Return another doc, as components do that make one of what they find."""
    return dice.choice([doc.copy, lambda: Doc(doc.vocab).from_bytes(doc.to_bytes())])()


@seeded("fuzz_forget")
def forget(doc, dice):
    if dice.random() < 0.5:
        doc.user_data.clear()
    else:
        doc.spans.clear()


# Pipelines


class PipeSpec(NamedTuple):
    """A component: its name, its factory and settings, and which weights it has."""

    name: str
    factory: str
    config: dict[str, Any]
    weights: int = 0


class PipelineSpec(NamedTuple):
    """A pipeline: the kind of its tokenizer, None for spaCy's, and its components."""

    tokenizer: str | None
    pipes: tuple[PipeSpec, ...]

    def with_weights(self, more):
        """The same pipeline of another training."""
        pipes = (pipe._replace(weights=pipe.weights + more) for pipe in self.pipes)
        return self._replace(pipes=tuple(pipes))


@cache
def weights_of(factory, number):
    """A component's bytes, with random weights that make it sure of many entities."""
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(factory, config={"model": MODEL} if factory == OURS else {})
    for label in LABELS:
        pipe.add_label(label)
    fix_random_seed(number)
    nlp.initialize()
    if factory == OURS:
        network = pipe.model.get_ref("output_layer").shims[0]._model
        for parameter in (network.emissions.weight, network.transitions):
            torch.nn.init.normal_(parameter.data, std=2.0)
    return pipe.to_bytes(exclude=["vocab"])


def made(spec):
    """Make a pipeline."""
    config = {}
    if spec.tokenizer is not None:
        config = {"nlp": {"tokenizer": {"@tokenizers": "fuzz_tokenizer", "kind": spec.tokenizer}}}
    nlp = spacy.blank("en", config=config)
    for name, factory, settings, number in spec.pipes:
        pipe = nlp.add_pipe(factory, name=name, config=settings)
        if factory in (OURS, "ner"):
            pipe.from_bytes(weights_of(factory, number), exclude=["vocab"])
        elif factory in ("entity_ruler", "span_ruler"):
            pipe.add_patterns(PATTERNS)
    return nlp


CLEANED = [{"tensor": None}, {"user_data": {}}, {"_.fuzz": None, "tensor": None}]
with_seed = st.fixed_dictionaries({"seed": st.integers(0, 3)})
nothing = st.just({})
rulers = st.fixed_dictionaries({"overwrite_ents": st.booleans()})
span_rulers = st.fixed_dictionaries(
    {
        "spans_key": st.sampled_from(["ruler", "candidates", "sure", None]),
        "annotate_ents": st.booleans(),
        "overwrite": st.booleans(),
    }
)
splitters = st.fixed_dictionaries({"min_length": st.just(4), "split_length": st.integers(1, 3)})
cleaners = st.sampled_from(CLEANED).map(lambda attrs: {"attrs": attrs, "silent": True})
OTHERS = {
    "sentencizer": nothing,
    "entity_ruler": rulers,
    "span_ruler": span_rulers,
    "merge_entities": nothing,
    "merge_noun_chunks": nothing,
    "merge_subtokens": nothing,
    "token_splitter": splitters,
    "doc_cleaner": cleaners,
    "ner": nothing,
    "fuzz_parse": with_seed,
    "fuzz_sentences": with_seed,
    "fuzz_merge": with_seed,
    "fuzz_split": with_seed,
    "fuzz_entities": with_seed,
    "fuzz_spans": with_seed,
    "fuzz_user_data": with_seed,
    "fuzz_copy": with_seed,
    "fuzz_forget": with_seed,
}
thresholds = st.none() | st.sampled_from([0.1, 0.5, 0.9])
settings_of_ours = st.fixed_dictionaries(
    {
        "threshold": thresholds,
        "entity_scores": st.booleans(),
        "spans_key": st.sampled_from([None, "sure"]),
        "candidates_threshold": thresholds,
        "candidates_max_length": st.sampled_from([1, 20]),
    }
)


@st.composite
def others(draw, where, max_size=2):
    """Components that are not ours, named by their place."""
    found = []
    for i in range(draw(st.integers(0, max_size))):
        factory = draw(st.sampled_from(sorted(OTHERS)))
        found.append(PipeSpec(f"{where}{i}", factory, draw(OTHERS[factory])))
    return found


@st.composite
def pipelines(draw, tokenizers=(None, *TOKENIZERS), kinds=("one", "two", "merger")):
    """One recognizer, two, or two with a merger of their candidates, among other components."""
    kind = draw(st.sampled_from(kinds))
    ner = PipeSpec("ner", OURS, {"model": MODEL, **draw(settings_of_ours)})
    pipes = [*draw(others("before")), ner, *draw(others("after"))]
    if kind != "one":
        second = PipeSpec("second", OURS, {"model": MODEL, **draw(settings_of_ours)}, 1)
        if kind == "merger":
            ner.config.update(candidates_key="of ner", candidates_threshold=0.05)
            second.config.update(candidates_key="of second", candidates_threshold=0.05)
        pipes.insert(draw(st.integers(0, len(pipes))), second)
    if kind == "merger":
        sources = {"of ner": {"weight": 0.5}, "of second": {"weight": 0.5}}
        settings = {"sources": sources, "threshold": draw(st.sampled_from([0.1, 0.4]))}
        settings["ents"] = draw(st.sampled_from([None, {"weight": 0.5}]))
        settings["spans_key"] = draw(st.sampled_from([None, "merged"]))
        pipes += [PipeSpec("merger", "entity_merger", settings), *draw(others("last", 1))]
    spec = PipelineSpec(draw(st.sampled_from(tokenizers)), tuple(pipes))
    note(described(spec))
    return spec


def described(spec):
    """A pipeline in short."""
    shown = []
    for name, factory, config, _ in spec.pipes:
        settings = {key: value for key, value in config.items() if key != "model"}
        shown.append(f"{name} ({factory} {settings})")
    return f"tokenizer {spec.tokenizer}; " + "; ".join(shown)
