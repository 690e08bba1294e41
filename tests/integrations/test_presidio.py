"""Presidio: what its analyzer reports, and what its anonymizer leaves in the text."""

import threading

import pytest
import spacy

from spacy_bilstm_crf.common.errors import UserError
from tests.helpers import make_nlp, trained_nlp, unsure_nlp
from tests.nested import NESTED, trained_on_spans

pytest.importorskip("presidio_analyzer", reason="Presidio is an extra")
from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NerModelConfiguration, NlpEngineProvider
from presidio_anonymizer import AnonymizerEngine, DeanonymizeEngine
from presidio_anonymizer.entities import ConflictResolutionStrategy, OperatorConfig

from spacy_bilstm_crf.integrations.presidio import BiLSTMCRFNlpEngine

TEXTS = [
    "Who is Shaka Khan?",
    "I like London and Berlin.",
    "Shaka Khan likes Berlin. Call 212-555-5555, the phone of London.",
    "",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "model"
    trained_nlp().to_disk(path)
    return path


def engine_of(nlp, settings=None, **model):
    given = {"lang_code": "en", "model_name": nlp, **model}
    return BiLSTMCRFNlpEngine([given], NerModelConfiguration(**(settings or {})))


def reported(analyzer, text, **options):
    """What is reported, by the place in the text, apart from Presidio's own patterns."""
    found = analyzer.analyze(text, "en", **options)
    return {
        (one.start, one.end, one.entity_type): one.score
        for one in found
        if one.recognition_metadata["recognizer_name"] == "SpacyRecognizer"
    }


def labels_in(analyzer, text, **options):
    return {label for _, _, label in reported(analyzer, text, **options)}


def test_scores_are_the_probabilities(folder):
    nlp = spacy.load(folder)
    analyzer = AnalyzerEngine(nlp_engine=engine_of(str(folder)))
    names = {"PERSON": "PERSON", "LOC": "LOCATION"}
    for text in TEXTS:
        expected = {
            (ent.start_char, ent.end_char, names[ent.label_]): pytest.approx(ent._.confidence)
            for ent in nlp(text).ents
        }
        assert reported(analyzer, text) == expected
        assert bool(expected) == bool(text)


def test_it_is_made_from_a_file(folder, tmp_path):
    conf = tmp_path / "presidio.yaml"
    conf.write_text(
        "nlp_engine_name: bilstm_crf\n"
        f"models: [{{lang_code: en, model_name: {folder}}}]\n"
        "ner_model_configuration: {low_score_entity_names: [LOCATION]}\n"
    )
    provider = NlpEngineProvider(nlp_engines=(BiLSTMCRFNlpEngine,), conf_file=conf)
    analyzer = AnalyzerEngine(nlp_engine=provider.create_engine())
    (score,) = reported(analyzer, "I like London.").values()
    (ent,) = spacy.load(folder)("I like London.").ents
    assert score == pytest.approx(0.4 * ent._.confidence)  # as the file asks for


def test_a_label_without_a_name_in_presidio_is_reported():
    """Presidio's engine for spaCy leaves it out."""
    nlp = trained_nlp()
    mapping = {"PERSON": "NAME"}
    analyzer = AnalyzerEngine(
        nlp_engine=engine_of(nlp, {"model_to_presidio_entity_mapping": mapping})
    )
    assert {"NAME", "LOC"} <= {*analyzer.get_supported_entities("en")}
    assert [labels_in(analyzer, text) for text in TEXTS[:2]] == [{"NAME"}, {"LOC"}]
    assert labels_in(analyzer, TEXTS[0], entities=["LOC"]) == set()
    assert labels_in(analyzer, TEXTS[1], entities=["LOC"]) == {"LOC"}


def test_labels_are_ignored_on_request():
    engine = engine_of(trained_nlp(), {"labels_to_ignore": ["LOC"]})
    analyzer = AnalyzerEngine(nlp_engine=engine)
    assert [labels_in(analyzer, text) for text in TEXTS[:2]] == [{"PERSON"}, set()]
    assert "LOCATION" not in engine.get_supported_entities()


def test_entities_of_a_ruler_get_the_default_score():
    nlp = trained_nlp()
    ruler = nlp.add_pipe("entity_ruler", before="ner")
    ruler.add_patterns([{"label": "ORG", "pattern": "Nobody"}])
    analyzer = AnalyzerEngine(nlp_engine=engine_of(nlp, {"default_score": 0.6}))
    assert reported(analyzer, "Nobody.") == {(0, 6, "ORGANIZATION"): 0.6}


@pytest.mark.parametrize("merged", [False, True])
def test_candidates_are_all_masked(merged):
    """Those of any label, whatever overlaps, and also if a later component merges tokens."""
    nlp = unsure_nlp()
    nlp.get_pipe("ner").candidates_threshold = 0.01
    docs = [doc for doc in nlp.pipe(TEXTS) if doc.spans["candidates"]]
    texts = [doc.text for doc in docs]
    likely = [
        {i for span in doc.spans["candidates"] for i in range(span.start_char, span.end_char)}
        for doc in docs
    ]
    if merged:
        nlp.add_pipe("merge_entities")
    analyzer = AnalyzerEngine(nlp_engine=engine_of(nlp, candidates=True))
    assert len(reported(analyzer, TEXTS[1])) > len(nlp(TEXTS[1]).ents)
    for text, characters in zip(texts, likely, strict=True):
        results = analyzer.analyze(text, "en")
        by_analyzer = {i for one in results for i in range(one.start, one.end)}
        assert characters <= by_analyzer
        masked = AnonymizerEngine().anonymize(text, results).text
        letters = "".join(c for i, c in enumerate(text) if i not in by_analyzer)
        for label in {one.entity_type for one in results}:
            masked = masked.replace(f"<{label}>", "")
        assert masked.split() == letters.split()  # blanks between two of a label go, too


def test_candidates_go_by_the_thresholds_of_the_component():
    nlp = unsure_nlp()
    nlp.get_pipe("ner").candidates_threshold = {"PERSON": 1e-6}
    analyzer = AnalyzerEngine(nlp_engine=engine_of(nlp, candidates=True))
    found = reported(analyzer, TEXTS[1])
    here = nlp(TEXTS[1])
    sure = {(ent.start_char, ent.end_char) for ent in here.ents}
    assert {key[:2] for key in found if key[2] == "LOCATION"} == sure
    assert {key[:2] for key in found if key[2] == "PERSON"} <= {
        (span.start_char, span.end_char) for span in here.spans["candidates"]
    }
    assert any(key[2] == "PERSON" for key in found)
    # The pipeline is left as it was
    assert nlp.get_pipe("ner").candidates_threshold == {"PERSON": 1e-6}


def test_overlapping_entities():
    nlp = trained_on_spans()
    text = NESTED[0][0]
    analyzer = AnalyzerEngine(nlp_engine=engine_of(nlp))
    doc = nlp(text)
    spans = doc.spans["sc"]
    expected = {
        (span.start_char, span.end_char): pytest.approx(score)
        for span, score in zip(spans, spans.attrs["scores"])
    }
    assert len(expected) == 2
    assert {key[:2]: score for key, score in reported(analyzer, text).items()} == expected


def test_batches_equal_single_texts(folder):
    analyzer = AnalyzerEngine(nlp_engine=engine_of(str(folder)))
    single = [analyzer.analyze(text, "en") for text in TEXTS]
    for batch_size in (1, 3):
        batches = BatchAnalyzerEngine(analyzer).analyze_iterator(TEXTS, "en", batch_size=batch_size)
        for of_one, of_batch in zip(single, batches, strict=True):
            assert [(x.start, x.end, x.entity_type) for x in of_one] == [
                (x.start, x.end, x.entity_type) for x in of_batch
            ]
            assert [x.score for x in of_one] == pytest.approx([x.score for x in of_batch])
    engine = analyzer.nlp_engine
    pairs = [(text, {"id": i}) for i, text in enumerate(TEXTS)]
    done = list(engine.process_batch(pairs, "en", as_tuples=True))
    assert [(text, context) for text, _, context in done] == pairs
    with pytest.raises(ValueError, match="tuples"):
        list(engine.process_batch(TEXTS, "en", as_tuples=True))
    with pytest.raises(UserError, match="n_process is 2"):
        list(engine.process_batch(TEXTS, "en", n_process=2))


def test_context_words_need_no_lemmatizer():
    """A number that may be one of a phone is more probable beside the word."""
    analyzer = AnalyzerEngine(nlp_engine=engine_of(trained_nlp()))
    (with_word,) = analyzer.analyze("My phone number: 212-555-5555", "en", ["PHONE_NUMBER"])
    (without,) = analyzer.analyze("My thing: 212-555-5555", "en", ["PHONE_NUMBER"])
    assert with_word.score > without.score


def test_several_threads(folder):
    nlp = spacy.load(folder)
    nlp.get_pipe("ner").candidates_threshold = 0.01
    engine = engine_of(nlp, candidates=True)
    engine.load()
    expected = [pytest.approx(engine.process_text(text, "en").scores) for text in TEXTS]
    found, failures = {}, []

    def run(i):
        try:
            found[i] = [engine.process_text(text, "en").scores for text in TEXTS]
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and all(one == expected for one in found.values())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"model_name": "no/such"}, "There is no pipeline no/such"),
        ({"model_name": spacy.blank("en")}, "has no bilstm_crf_ner or bilstm_crf_spans"),
        ({"model_name": 3}, "needs a model_name"),
        ({"lang_code": None}, "needs a lang_code"),
        ({"candidates": True}, "has no candidates: set the threshold for them with calibrate"),
        ({"candidates": "yes"}, "candidates is true or false, not 'yes'"),
        ({"candidate": True}, "has no candidate"),
    ],
)
def test_wrong_models(model, message):
    given = {"model_name": make_nlp(), **model}
    with pytest.raises(UserError, match=message):
        engine_of(given.pop("model_name"), **given).load()


@pytest.mark.parametrize("models", [None, [], ["training/model-best"], {"lang_code": "en"}])
def test_models_of_a_wrong_kind(models):
    with pytest.raises(UserError, match="a list of dicts with lang_code and model_name, not"):
        BiLSTMCRFNlpEngine(models)


def test_two_models_of_a_language():
    model = {"lang_code": "en", "model_name": make_nlp()}
    with pytest.raises(UserError, match="several models for the language en"):
        BiLSTMCRFNlpEngine([model, {**model, "candidates": True}])


def test_settings_may_be_empty_and_a_dict():
    nlp = trained_nlp()
    empty = {"model_to_presidio_entity_mapping": None, "labels_to_ignore": None}
    model = {"lang_code": "en", "model_name": nlp}
    found = [
        reported(AnalyzerEngine(nlp_engine=BiLSTMCRFNlpEngine([model], settings)), TEXTS[1])
        for settings in ({**empty, "low_score_entity_names": None}, {}, None)
    ]
    assert found[0] == found[1] == found[2]
    assert {label for _, _, label in found[0]} == {"LOCATION"}


def test_wrong_texts():
    engine = engine_of(make_nlp())
    engine.load()
    with pytest.raises(UserError, match="A text is a string, not None"):
        engine.process_text(None, "en")
    with pytest.raises(UserError, match="batch_size must be at least 1, but is 0"):
        list(engine.process_batch(TEXTS, "en", batch_size=0))


def test_a_registry_of_ones_own_knows_the_labels_if_it_knows_the_engine():
    engine = engine_of(trained_nlp(), {"model_to_presidio_entity_mapping": {"LOC": "PLACE"}})
    engine.load()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(nlp_engine=engine)
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine)
    assert {label for _, _, label in reported(analyzer, TEXTS[1])} == {"PLACE"}


def test_what_overlaps_in_part_can_be_decrypted():
    """Not so with the anonymizer's default, which is why the page names the other one."""
    nlp = unsure_nlp()
    nlp.get_pipe("ner").candidates_threshold = 1e-6
    analyzer = AnalyzerEngine(nlp_engine=engine_of(nlp, candidates=True))
    text = TEXTS[2]
    results = analyzer.analyze(text, "en")
    assert any(
        one.start < other.start < one.end < other.end and one.entity_type != other.entity_type
        for one in results
        for other in results
    )
    key = {"key": "0123456789abcdef"}
    encrypted = AnonymizerEngine().anonymize(
        text,
        results,
        {"DEFAULT": OperatorConfig("encrypt", key)},
        conflict_resolution=ConflictResolutionStrategy.REMOVE_INTERSECTIONS,
    )
    decrypted = DeanonymizeEngine().deanonymize(
        encrypted.text, encrypted.items, {"DEFAULT": OperatorConfig("decrypt", key)}
    )
    assert decrypted.text == text


def test_a_language_without_a_pipeline():
    engine = engine_of(make_nlp())
    with pytest.raises(ValueError, match="not loaded"):
        engine.process_text("Hi", "en")
    engine.load()
    with pytest.raises(UserError, match="no pipeline for the language 'de', only: en"):
        engine.process_text("Hallo", "de")
