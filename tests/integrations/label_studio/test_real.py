"""A real Label Studio: it is connected, shows predictions, and what is annotated is learned."""

import itertools

import pytest

from tests.inference.service.service import process, wait_for
from tests.integrations.label_studio.payloads import OTHER_CONFIGS, annotated, label_config
from tests.integrations.label_studio.real import Project, executable, label_studio

pytestmark = [pytest.mark.labelstudio, pytest.mark.slow]
CONFIG = label_config("LOC", "DRINK")
PATTERNS = ["Bring me some {} from {}.", "\U0001f600 She drinks {} in {}.", "No {} in {}!"]
DRINKS = ["tea", "mint tea", "coffee", "black coffee", "apple juice", "milk"]
PLACES = ["London", "Berlin"]
FIRST, SECOND = "en_pipeline 0.0.0", "en_pipeline 0.0.0+1"


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    command = executable(tmp_path_factory.mktemp("environment"))
    with label_studio(command, tmp_path_factory.mktemp("label-studio")) as client:
        yield client


def gold():
    """Texts with their entities."""
    found = {}
    for pattern, drink, place in itertools.product(PATTERNS, DRINKS, PLACES):
        text = pattern.format(drink, place)
        spans = [(drink, "DRINK"), (place, "LOC")]
        found[text] = [(text.index(x), text.index(x) + len(x), label) for x, label in spans]
    return found


def f_score(predictions, tasks, expected):
    """F of predictions, in per cent: an independent count."""
    found = {
        (text, value["start"], value["end"], *value["labels"])
        for text in expected
        for value in (one["value"] for one in predictions[tasks[text]]["result"])
    }
    right = {(text, *span) for text, spans in expected.items() for span in spans}
    return 200 * len(found & right) / (len(found) + len(right))


def test_predictions_rise_with_what_is_annotated(studio, pipeline, old_data, tmp_path):
    expected = gold()
    learned = dict(itertools.islice(expected.items(), 0, None, 2))
    others = {text: spans for text, spans in expected.items() if text not in learned}
    folder = tmp_path / "folder"
    options = ["--label-studio", folder, "--train-after", len(learned), "--max-steps", 100]
    options += ["--old-data", old_data]
    with process(pipeline, tmp_path / "service.txt", *options) as (_, service):
        project = Project(studio, CONFIG, sampling="Uncertainty sampling")
        tasks = project.add(expected)
        assert project.connect(service.base_url)["model_version"] == FIRST
        project.predict()
        before = project.predictions(FIRST)
        assert sorted(before) == sorted(tasks.values())
        f_before = f_score(before, tasks, others)
        # Each score is the probability that /annotate gives
        asked = {"texts": list(others), "k_best": 1}
        for text, found in zip(others, service.post("/annotate", json=asked).json()["results"]):
            prediction = before[tasks[text]]
            assert prediction["score"] == pytest.approx(found["k_best"][0]["probability"], abs=1e-4)
            assert [(one["value"]["text"], one["score"]) for one in prediction["result"]] == [
                (e["text"], pytest.approx(e["confidence"], abs=1e-4)) for e in found["entities"]
            ]
        # Label Studio's orderings by score begin with the least sure
        project.choose(FIRST)
        scores = {task: prediction["score"] for task, prediction in before.items()}
        order = [scores[task] for task in project.by_score()]
        assert order == sorted(scores.values())
        following = studio.get(f"/api/projects/{project.id}/next").json()
        assert scores[following["id"]] == order[0]
        for text, spans in learned.items():
            result = annotated(1, text, spans, CONFIG)["annotation"]["result"]
            last = project.annotate(tasks[text], result)
        wait_for(lambda: service.get("/labels").json()["pipeline"] == SECOND, 300)
        project.predict()
        after = project.predictions(SECOND)
        f_after = f_score(after, tasks, others)
        print(f"F {f_before:.1f} -> {f_after:.1f}")
        assert f_after > f_before + 20
        files = folder / "annotations"
        assert len(list(files.glob("*.json"))) == len(learned)
        assert studio.delete(f"/api/annotations/{last}/").status_code == 204
        wait_for(lambda: len(list(files.glob("*.json"))) == len(learned) - 1)
        # Another project, and one of another kind
        for config in (CONFIG, *OTHER_CONFIGS.values()):
            answer = Project(studio, config).connect(service.base_url, status=400)
            assert "doesn't look like a valid ML backend" in str(answer)
    log = (tmp_path / "service.txt").read_text("utf8")
    assert "is unknown: this service belongs to project" in log
    # After a restart
    with process(pipeline, tmp_path / "again.txt", *options) as (_, service):
        assert service.get("/labels").json()["pipeline"] == SECOND


def test_a_region_that_was_drawn_changes_the_rest(studio, pipeline, tmp_path):
    options = ["--label-studio", tmp_path / "folder", "--train-after", 0]
    text = "Who is Shaka Khan? I like London and Berlin."
    span = (text.index("Shaka"), text.index(" Khan"), "LOC")  # a part of an entity
    with process(pipeline, tmp_path / "service.txt", *options) as (_, service):
        project = Project(studio, CONFIG)
        (task,) = project.add([text]).values()
        model = project.connect(service.base_url)["id"]
        drawn = annotated(1, text, [span], CONFIG)["annotation"]["result"]
        asked = {"start": span[0], "end": span[1], "label": span[2]}
        before, after = (
            service.post("/annotate", json={"texts": [text], **more}).json()["results"][0]
            for more in ({}, {"fixed": [[asked]]})
        )
        there, now = (
            {(e["start"], e["end"], e["label"]) for e in found["entities"]}
            for found in (before, after)
        )
        values = [one["value"] for one in project.suggestions(model, task, drawn)]
        found = {(v["start"], v["end"], *v["labels"]) for v in values}
        # The project has no label PERSON
        assert found == {each for each in now - there - {span} if each[2] != "PERSON"}
