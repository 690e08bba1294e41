"""The service against its own OpenAPI."""

import os
from functools import partial

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks

from tests.helpers import trained_nlp
from tests.inference.nested import trained
from tests.inference.service.service import running

load_all_checks()
FACTORY = "bilstm_crf_spans"
WITH_BODY = ("/annotate", "/docbin")
SPANS = ("fixed", "rejected", "entities")
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))


@pytest.mark.slow  # some hundred requests
@pytest.mark.parametrize("make", [trained_nlp, partial(trained, "bilstm_crf_ner", FACTORY)])
def test_it_keeps_to_its_openapi(make):
    """All of schemathesis' checks: what it should refuse is among the requests."""
    with running(make()) as client:
        schema = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
        operations = [operation.ok() for operation in schema.get_all_operations()]
        assert {operation.path for operation in operations} == {
            *("/annotate", "/docbin", "/labels", "/health", "/metrics")
        }
        for operation in operations:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                if mode == GenerationMode.POSITIVE or operation.path in WITH_BODY:
                    cases = operation.as_strategy(generation_mode=mode)
                    conforms(
                        cases.map(without_labels_and_offsets)
                        if mode == GenerationMode.POSITIVE
                        else cases
                    )


def without_labels_and_offsets(case):
    """Leave out what no schema can say: which offsets a text has, and which labels there are."""
    if isinstance(case.body, dict):
        case.body = {k: v for k, v in case.body.items() if k not in SPANS and not is_by_label(k, v)}
    return case


def is_by_label(key, value):
    return key == "threshold" and isinstance(value, dict) and bool(value)


def conforms(cases):
    @given(case=cases)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def conform(case):
        case.call_and_validate()

    conform()


def test_examples_of_the_schema_are_ones():
    from spacy_bilstm_crf.inference.service.messages import (
        AnnotatedTexts,
        AnnotateRequest,
        AnnotateResponse,
    )

    for model in (AnnotateRequest, AnnotateResponse, AnnotatedTexts):
        for example in model.model_json_schema()["examples"]:
            model.model_validate(example)
