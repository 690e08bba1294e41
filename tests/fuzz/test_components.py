"""What the commands promise of pipelines in which other components stand before and after ours."""

import json
import re
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
import spacy
from hypothesis import note
from hypothesis import strategies as st
from spacy.cli._util import parse_config_overrides
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.data.formats import writable
from spacy_bilstm_crf.data.formats.docs import predictions_of
from spacy_bilstm_crf.inference.annotated_text import AnnotatedText
from spacy_bilstm_crf.inference.annotator import Annotator, RequestSettings
from spacy_bilstm_crf.inference.recognizers import why_no_k_best
from spacy_bilstm_crf.workflows import (
    annotate,
    audit,
    calibrate,
    convert,
    distill,
    ensemble,
    report,
    select,
    set_threshold,
    shrink,
    tune,
    update,
)
from tests.cli.tuning import DROPOUT_SPACE
from tests.fuzz.components import OURS, made, pipelines
from tests.fuzz.running import counts, fuzzed
from tests.fuzz.strategies import LABELS, SPACES, as_spans, described, spans_of
from tests.helpers import CONFIG, SMALL_TRAINING

CLOSE = 1e-5
BLANK = spacy.blank("en")
SHORT_STUDENT = parse_config_overrides([*SMALL_TRAINING, "--training.max_steps=2"])
WORDS = ["London", "in", "Ada", "the", ".", "Paris", "12", "NASA", "don't", "e\u0301", "\ufeff"]
WORDS += ["\U0001f469\u200d\U0001f680", "1984", "Ünï", "ENDS.", "\x00"]


@st.composite
def texts(draw):
    """A text of words, in which any white space may be."""
    words = draw(st.lists(st.sampled_from(WORDS), max_size=10))
    between = st.just(" ") | st.just(" ") | st.sampled_from(["", *SPACES])
    return "".join(word + draw(between) for word in words)


some_texts = st.lists(
    texts() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=4
)


# Where an entity is in the text that was given: an oracle by counting


def letters_before(text, place):
    return sum(not character.isspace() for character in text[:place])


def same_letters(one, other):
    return "".join(one.split()) == "".join(other.split())


def by_letters(text, start, end):
    """A span by the letters before and in it, whatever the white space."""
    first = letters_before(text, start)
    return first, letters_before(text, end)


def span_of(span, probability):
    """What is compared of a span of a doc."""
    return (*by_letters(span.doc.text, span.start_char, span.end_char), span.label_), probability


class Expected:
    """What a pipeline finds in a text when its components are called one after the other.

    Attributes:
        doc: The doc, or None if a component fails, as a merger does when tokens have changed.
        entities: Its entities.
        candidates: Those of each recognizer, right after it.
        is_in_text: Whether the doc has the letters of the text.
    """

    def __init__(self, nlp, text, candidates=None):
        self.text, self.doc, self.entities, self.candidates = text, None, [], []
        self.is_in_text = same_letters(nlp.make_doc(text).text, text)
        doc = nlp.make_doc(text)
        for _, pipe in nlp.pipeline:
            # Others may raise anything, as spaCy's `doc.copy` does after a merge (E035)
            is_known = type(pipe).__module__.startswith("spacy_bilstm_crf")
            expected = (ValueError,) if is_known else (Exception,)
            try:
                doc = pipe(doc)
            except expected as error:
                note(f"{text!r}: {error}")
                return
        try:
            _ = doc.ents  # which spaCy's own retokenizer may make unreadable
        except ValueError as error:
            note(f"{text!r}: {error}")
            return
        self.doc = doc
        self.entities = [span_of(ent, ent._.confidence) for ent in doc.ents]
        if candidates is not None:
            self.candidates = candidates_of(nlp, text, candidates)

    @property
    def is_found(self):
        """Whether the entities can be told by their places in the text."""
        if self.doc is None or not self.is_in_text:
            return False
        is_same = self.doc.text == self.text
        return is_same or all(ent.text.strip() for ent in self.doc.ents)


def candidates_of(nlp, text, least):
    """Find candidates as the documentation says: by the settings of each recognizer."""
    doc, found = nlp.make_doc(text), []
    recognizers = [pipe for name, pipe in nlp.pipeline if is_ours(nlp, name)]
    before = [dict(ner.cfg) for ner in recognizers]
    for ner in recognizers:
        ner.candidates_key, ner.candidates_threshold = f"oracle {ner.name}", least
        ner.candidates_max_length = 1000
    left = len(recognizers)
    for _, pipe in nlp.pipeline:
        if not left:
            break
        doc = pipe(doc)
        if pipe in recognizers:
            left -= 1
            group = doc.spans[pipe.candidates_key]
            found += [span_of(*each) for each in zip(group, map(float, group.attrs["scores"]))]
    for ner, values in zip(recognizers, before):
        ner.cfg.update(values)
    return found


def is_ours(nlp, name):
    return nlp.get_pipe_meta(name).factory == OURS


def with_probabilities(nlp):
    """The pipeline as it is asked by commands: its recognizers keep their probabilities."""
    for name in nlp.pipe_names:
        if is_ours(nlp, name):
            nlp.get_pipe(name).entity_scores = True
    return nlp


def alike(found, expected):
    """Tell whether the same spans have the same probabilities, but for rounding."""
    found, expected = sorted_spans(found), sorted_spans(expected)
    return [span for span, _ in found] == [span for span, _ in expected] and all(
        p is q is None or (None not in (p, q) and abs(p - q) <= CLOSE)
        for (_, p), (_, q) in zip(found, expected)
    )


def sorted_spans(spans):
    return sorted(spans, key=lambda each: (each[0], each[1] or 0.0))


def checked(entity, text):
    """An entity of a command as `span_of` has it; its text is where it says."""
    start, end = entity["start"], entity["end"]
    assert 0 <= start <= end <= len(text)
    assert entity["text"] == text[start:end]
    return (*by_letters(text, start, end), entity["label"]), entity["confidence"]


def overlap(one, other):
    return one[0] < other[1] and other[0] < one[1]


def covers(one, other):
    return one[0] <= other[0] and other[1] <= one[1]


def refused(error):
    """Count a refusal, which is one line."""
    note(error)
    assert "\n" not in str(error)
    counts["calls refused"] += 1


def saved(nlp, folder):
    nlp.to_disk(folder)
    return folder


def written_texts(texts, path):
    rows = [{"id": str(i), "text": text} for i, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return path


def check_found(expected, found, text):
    """Check what an annotator or a row says: that it failed, or all that the pipeline finds."""
    if not expected.is_found:
        assert found is None
        return
    assert found is not None
    entities, candidates = found
    assert alike([checked(each, text) for each in entities], expected.entities)
    if candidates is not None:
        assert alike([checked(each, text) for each in candidates], expected.candidates)


def check_k_best(nlp, expected, found):
    """Check the first of the best sequences against a recognizer that is alone."""
    assert [each["probability"] for each in found] == sorted(
        (each["probability"] for each in found), reverse=True
    )
    for sequence in found:
        for entity in sequence["entities"]:
            assert entity["text"] == expected.text[entity["start"] : entity["end"]]


@fuzzed(
    examples=8,
    spec=pipelines(),
    texts=some_texts,
    candidates=st.none() | st.sampled_from([0.02, 0.3]),
    target=st.sampled_from(["parquet", "jsonl"]),
)
def test_annotate_and_the_service_find_what_the_pipeline_finds(spec, texts, candidates, target):
    """Entities, candidates and probabilities, by one text at a time or by all at once."""
    counts["texts annotated"] += len(texts)
    with TemporaryDirectory() as name:
        folder = Path(name)
        nlp = made(spec)
        saved(nlp, folder / "model")
        expected = [Expected(with_probabilities(nlp), text, candidates) for text in texts]
        loaded = with_probabilities(spacy.load(folder / "model"))
        for one in expected:
            assert Expected(loaded, one.text).entities == one.entities
        annotator = Annotator(spacy.load(folder / "model"))
        settings = RequestSettings(
            candidates=candidates, k_best=None if why_no_k_best(annotator.nlp) else 2
        )
        for one, found in zip(expected, annotator(texts, settings), strict=True):
            is_found = isinstance(found, AnnotatedText)
            check_found(one, (found.entities, found.candidates) if is_found else None, one.text)
            if is_found and found.k_best is not None:
                check_k_best(nlp, one, found.k_best)
        check_annotate(expected, folder, candidates, target)


def check_annotate(expected, folder, candidates, target):
    texts = written_texts([one.text for one in expected], folder / "texts.jsonl")
    output = folder / "out"
    try:
        summary = annotate(
            folder / "model", texts, output, candidates=candidates, target=target, batch_size=3
        )
    except UserError as error:
        refused(error)
        assert not any(one.is_found for one in expected)
        return
    rows = rows_of(output, target)
    assert summary.n_rows == len(rows) == len(expected)
    assert summary.n_errors == sum(not one.is_found for one in expected)
    for one, row in zip(expected, rows, strict=True):
        assert row["text"] == one.text
        found = None if row["error"] else (row["entities"], row.get("candidates"))
        check_found(one, found, one.text)
        assert row["error"] or row["n_tokens"] == len(one.doc)


def rows_of(output, target):
    files = sorted(output.glob(f"*.{target}"))
    if target == "parquet":
        return [row for file in files for row in pq.read_table(file).to_pylist()]
    lines = [line for file in files for line in file.read_text(encoding="utf8").split("\n")]
    return [json.loads(line) for line in lines if line]


@fuzzed(
    examples=8,
    spec=pipelines(),
    texts=some_texts,
    strategy=st.sampled_from(["entropy", "margin", "diverse"]),
    target=st.sampled_from(writable()),
)
def test_select_suggests_what_the_pipeline_finds(spec, texts, strategy, target):
    counts["texts selected"] += len(texts)
    nlp = made(spec)
    expected = {text: Expected(nlp, text) for text in texts}
    try:
        found = select(nlp, texts, 3, strategy=strategy)
    except UserError as error:
        refused(error)
        has_text = any(text.strip() for text in texts)
        assert not has_text or not all(one.is_in_text and one.doc for one in expected.values())
        return
    assert found.n_texts == len(texts) and len(found.suggestions) == min(
        3, len({"".join(text.split()) for text in texts} - {""})
    )
    for place, score, doc in found.suggestions:
        one = expected[texts[place]]
        assert score >= -CLOSE and same_letters(doc.text, one.text)
        suggested = [
            (*by_letters(doc.text, span.start_char, span.end_char), span.label_)
            for span, _ in predictions_of(doc)
        ]
        entities = [span for span, _ in one.entities if span[0] < span[1]]
        assert all(any(map(partial(overlap, span), suggested)) for span in entities)
        for span in suggested:
            # Of several entities in one token one is suggested
            here = [entity for entity in entities if overlap(entity, span)]
            assert [each for each in suggested if overlap(each, span)] in ([span], [])
            assert len(here) != 1 or (span[2] == here[0][2] and covers(span, here[0]))
    with TemporaryDirectory() as folder:
        try:
            found.to_disk(Path(folder) / "out", target=target)
        except UserError as error:
            refused(error)
            return
        assert (Path(folder) / "out").exists()


# Annotated data, of other tokens than the pipeline's


@st.composite
def annotated_docs(draw, labels=LABELS):
    """A doc of words or of spaCy's tokens, with an entity at least; some tokens may be unknown."""
    if draw(st.booleans()):
        doc = BLANK.make_doc(draw(texts()) + "Ada in London")
    else:
        words = [*draw(st.lists(st.sampled_from(WORDS), max_size=8)), "London"]
        spaces = draw(st.none() | st.just([True] * len(words)))
        doc = Doc(BLANK.vocab, words=words, spaces=spaces)
    found = draw(spans_of(len(doc) - 1, labels))
    last = Span(doc, len(doc) - 1, len(doc), draw(st.sampled_from(labels)))
    ents = [*as_spans(doc, found), last]
    taken = {i for ent in ents for i in range(ent.start, ent.end)}
    free = [doc[i : i + 1] for i in range(len(doc)) if i not in taken]
    missing = [span for span in free if draw(st.integers(0, 5)) == 0]
    doc.set_ents(
        ents, missing=missing, default=draw(st.sampled_from(["outside", "outside", "missing"]))
    )
    note(described(doc))
    return doc


some_docs = st.lists(annotated_docs(), min_size=2, max_size=5)


def new_doc(nlp, doc):
    """The text of a doc, to be predicted: its words if it does not know its spaces."""
    if doc.has_unknown_spaces:
        return Doc(nlp.vocab, words=[token.text for token in doc])
    return nlp.make_doc(doc.text)


def can_predict(nlp, docs):
    """Tell whether no component fails on docs, and no text gets other letters."""
    for doc in docs:
        new = new_doc(nlp, doc)
        if not same_letters(new.text.lower(), doc.text.lower()):
            return False
        try:
            for _, pipe in nlp.pipeline:
                new = pipe(new)
            _ = new.ents
        except Exception as error:
            note(f"{doc.text!r}: {error}")
            return False
    return True


def some_entity_fits(nlp, docs):
    """Tell whether an entity begins and ends where tokens do that the component is given."""
    for doc in docs:
        made_doc = new_doc(nlp, doc)
        for name in nlp.pipe_names[: nlp.pipe_names.index("ner")]:
            made_doc = nlp.get_pipe(name)(made_doc)
        spans = [made_doc[i : i + 1] for i in range(len(made_doc))]
        places = [by_letters(made_doc.text, one.start_char, one.end_char) for one in spans]
        starts, ends = {start for start, _ in places}, {end for _, end in places}
        for ent in doc.ents:
            start, end = by_letters(doc.text, ent.start_char, ent.end_char)
            if start < end and start in starts and end in ends:
                return True
    return False


@fuzzed(examples=2, spec=pipelines(), docs=some_docs)
def test_report_counts_as_the_scorer_of_spacy_does(spec, docs):
    counts["docs reported"] += len(docs)
    nlp = made(spec)
    is_possible = can_predict(nlp, docs)
    try:
        found = report(nlp, docs).numbers["overall"]
    except UserError as error:
        refused(error)
        assert not is_possible
        return
    assert is_possible
    examples = [Example(nlp(new_doc(nlp, doc)), doc) for doc in copies_in(nlp, docs)]
    scored = get_ner_prf(examples)
    assert found["gold"] == sum(len(doc.ents) for doc in docs)
    for name, key in (("precision", "ents_p"), ("recall", "ents_r"), ("f", "ents_f")):
        value = found[name]["value"]
        assert abs((value or 0.0) - (scored[key] or 0.0)) < CLOSE, (name, value, scored[key])


def copies_in(nlp, docs):
    return [Doc(nlp.vocab).from_bytes(doc.to_bytes()) for doc in docs]


def ents_of(nlp, docs):
    found = []
    for doc in docs:
        predicted = nlp(new_doc(nlp, doc))
        found.append(sorted_spans(span_of(ent, ent._.confidence) for ent in predicted.ents))
    return found


def check_saved(found, docs, folder):
    """Check that what a command returns is what it saves."""
    found.to_disk(folder)
    loaded = with_probabilities(spacy.load(folder))
    ours = ents_of(with_probabilities(found.nlp), docs)
    for one, other in zip(ours, ents_of(loaded, docs), strict=True):
        assert alike(one, other)
    return loaded


@fuzzed(
    examples=4,
    spec=pipelines(),
    docs=some_docs,
    recall=st.none() | st.sampled_from([0.5, 0.9]),
    per_label=st.booleans(),
)
def test_calibrate_saves_what_it_fits(spec, docs, recall, per_label):
    counts["pipelines changed"] += 1
    nlp = made(spec)
    is_possible = can_predict(nlp, docs)
    try:
        per_label = per_label and recall is not None
        found = calibrate(nlp, docs, recall=recall, per_label=per_label)
    except UserError as error:
        refused(error)
        assert not is_possible or recall is not None or "token" in str(error)
        return
    with TemporaryDirectory() as folder:
        if is_possible:
            check_saved(found, docs, Path(folder) / "model")
    if found.before is not None and None not in (found.before.nll, found.after.nll):
        assert found.after.nll <= found.before.nll + CLOSE


@fuzzed(
    examples=3,
    spec=pipelines(),
    docs=some_docs,
    threshold=st.none() | st.floats(0.0, 1.0),
    members=st.integers(2, 3),
    with_data=st.booleans(),
)
def test_pipelines_that_are_changed_are_saved_as_they_are(
    spec, docs, threshold, members, with_data
):
    """`set-threshold`, `ensemble` and `shrink`."""
    counts["pipelines changed"] += 3
    nlps = [made(spec.with_weights(2 * number)) for number in range(members)]
    is_possible = all(can_predict(nlp, docs) for nlp in nlps)
    with TemporaryDirectory() as name:
        folder = Path(name)
        set_threshold(nlps[1], threshold, output=folder / "threshold")
        if is_possible:
            loaded = with_probabilities(spacy.load(folder / "threshold"))
            ours = ents_of(with_probabilities(nlps[1]), docs)
            for one, other in zip(ours, ents_of(loaded, docs), strict=True):
                assert alike(one, other)
        for nlp in nlps:
            for number, word in enumerate(WORDS):
                nlp.vocab.set_vector(word, np.full(4, number, dtype="float32"))
        data = docs if with_data else None
        for command in (
            lambda: ensemble(nlps, data=data),
            lambda: shrink(nlps[1], data=data, keep_words=5),
        ):
            try:
                found = command()
            except UserError as error:
                refused(error)
                assert (
                    "in its model" in str(error)
                    or "different component" in str(error)
                    or not is_possible
                )
                continue
            if can_predict(found.nlp, docs):
                check_saved(found, docs, folder / "model")


@fuzzed(
    examples=2, spec=pipelines(), docs=some_docs, steps=st.integers(1, 3), with_old=st.booleans()
)
def test_update_saves_what_it_learns(spec, docs, steps, with_old):
    counts["pipelines changed"] += 1
    nlp = made(spec)
    is_possible = can_predict(nlp, docs)
    new = docs[0].copy()
    new.ents = [Span(new, len(new) - 1, len(new), "NEW")]
    try:
        found = update(nlp, [new, *docs[1:]], old_data=docs if with_old else None, max_steps=steps)
    except UserError as error:
        refused(error)
        assert not is_possible or not some_entity_fits(nlp, [new, *docs[1:]])
        return
    assert "NEW" in found.added
    with TemporaryDirectory() as folder:
        if can_predict(found.nlp, docs):
            check_saved(found, docs, Path(folder) / "model")


def written_config(nlp, folder, annotating):
    """Write the training config of a pipeline that is trained from scratch."""
    config = nlp.config.copy()
    config["training"]["annotating_components"] = annotating
    config["training"]["logger"] = {"@loggers": "spacy.ConsoleLogger.v1", "progress_bar": False}
    config["training"].update(max_steps=2, eval_frequency=1)
    for name in ("train", "dev"):
        config["paths"][name] = str(folder / f"{name}.spacy")
        config["corpora"][name]["path"] = f"${{paths.{name}}}"
    config.to_disk(folder / "config.cfg")
    return folder / "config.cfg"


@fuzzed(examples=2, spec=pipelines(), docs=some_docs, annotate_before=st.booleans(), data=st.data())
def test_training_commands_end_with_a_pipeline_or_one_line(spec, docs, annotate_before, data):
    """`audit`, `distill` and `tune`: an error of a user's component is one line, too."""
    counts["pipelines trained"] += 1
    with TemporaryDirectory() as name:
        folder = Path(name)
        nlp = made(spec)
        for part in ("train", "dev"):
            DocBin(docs=docs).to_disk(folder / f"{part}.spacy")
        names = nlp.pipe_names
        before = names[: names.index("ner")] if annotate_before else []
        config = written_config(nlp, folder, before)
        command = data.draw(st.sampled_from(["audit", "distill", "distill entities", "tune"]))
        note(command)
        try:
            if command == "audit":
                found = audit(config, docs, folds=data.draw(st.sampled_from([0, 2])))
                check_suspects(found, docs)
            elif command == "tune":
                (folder / "space.cfg").write_text(DROPOUT_SPACE)
                found = tune(config, folder / "space.cfg", folder / "search", n_trials=1)
                spacy.load(found.output / "model-best")
            else:
                teacher = made(spec.with_weights(2))
                student = distill(
                    teacher,
                    [doc.text for doc in docs],
                    CONFIG,
                    folder / "student",
                    dev=docs,
                    labelled=docs,
                    entities=command != "distill",
                    overrides=SHORT_STUDENT,
                )
                spacy.load(student)
        except UserError as error:
            refused(error)


def check_suspects(found, docs):
    for suspect in found.suspects:
        text, entity = docs[suspect.doc].text, suspect.entity
        assert 0 <= entity.start < entity.end <= len(text)
        if suspect.kind == "annotated":
            gold = {(ent.start_char, ent.end_char, ent.label_) for ent in docs[suspect.doc].ents}
            assert entity[:3] in gold


@fuzzed(examples=5, spec=pipelines(), texts=some_texts, target=st.sampled_from(writable()))
def test_docs_of_a_pipeline_are_converted(spec, texts, target):
    """Docs that components have changed: to each format and back, with the same entities."""
    counts["docs converted"] += len(texts)
    nlp = made(spec)
    docs = [one.doc for one in (Expected(nlp, text) for text in texts) if one.doc is not None]
    docs = [doc for doc in docs if doc.text.strip() and can_be_saved(doc)]
    with TemporaryDirectory() as name:
        folder = Path(name)
        DocBin(docs=docs, store_user_data=True).to_disk(folder / "docs.spacy")
        try:
            convert(folder / "docs.spacy", folder / "out", source="spacy", target=target)
            convert(folder / "out", folder / "back.spacy", source=target, on_problem="missing")
        except UserError as error:
            refused(error)
            return
        back = list(DocBin().from_disk(folder / "back.spacy").get_docs(nlp.vocab))
    if target in ("spacy", "conll") and len(back) == len(docs):
        for doc, other in zip(docs, back):
            assert entities_without_blanks(doc) == entities_without_blanks(other)


def can_be_saved(doc):
    """Tell whether spaCy can save a doc: not if the spans of a group reach beyond merged tokens."""
    try:
        DocBin(docs=[doc])
    except IndexError:
        return False
    return True


def entities_without_blanks(doc):
    """The entities, but for what columns can't hold.

    Blanks inside of a word become `_`, and a byte order mark that begins a line is left out.
    """
    found = [(re.sub(r"[\s_\ufeff]", "", ent.text), ent.label_) for ent in doc.ents]
    return [entity for entity in found if entity[0]]
