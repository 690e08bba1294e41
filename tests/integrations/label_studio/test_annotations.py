"""Annotations on disk: the newest states of them, whatever happens in between."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.integrations.label_studio.annotations import AnnotationStore, tasks_of_control
from spacy_bilstm_crf.integrations.label_studio.label_config import read_label_config
from tests.integrations.label_studio.payloads import annotated, label_config

CONFIG = label_config("PER", "LOC")
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 3), st.integers(1, 4), st.integers(0, 5)),
        st.tuples(st.just("delete"), st.integers(1, 4)),
        st.tuples(st.just("delete tasks"), st.integers(1, 3)),
    ),
    max_size=12,
)


def added(store, task, annotation, second=0, **changes):
    when = f"2026-01-01T00:00:{second:02}Z"
    given = {"id": annotation, "result": [], "updated_at": when, **changes}
    store.add(task, {"text": "Ada left."}, given)


@settings(max_examples=40)
@given(EVENTS, st.sampled_from(["store", "annotations", "training", "versions"]))
def test_after_any_events_a_restart_knows_the_newest_states(tmp_path_factory, events, name):
    """The oracle is a dict: a newer state replaces an older one of the same annotation."""
    folder = tmp_path_factory.mktemp("store") / name
    folder.mkdir()
    store = AnnotationStore(folder)
    expected, n_changes = {}, 0
    for kind, *values in events:
        before = dict(expected)
        if kind == "add":
            task, number, second = values
            annotation = 10 * task + number  # of one task for ever, as in Label Studio
            if expected.get(annotation, (task, -1))[1] < second:
                expected[annotation] = (task, second)
                n_changes += 1
            added(store, task, annotation, second)
        elif kind == "delete":
            gone = [10 * task + values[0] for task in (1, 2, 3)]
            store.delete(gone)
            expected = {key: value for key, value in expected.items() if key not in gone}
            n_changes += len(before) - len(expected)
        else:
            store.delete_tasks(values)
            expected = {key: value for key, value in expected.items() if value[0] != values[0]}
            n_changes += len(before) - len(expected)
    for one in (store, AnnotationStore(folder)):
        found = {
            annotation["id"]: (task["id"], int(annotation["updated_at"][-3:-1]))
            for task in one.tasks()
            for annotation in task["annotations"]
        }
        assert found == expected
        assert one.n_changes == one.n_new == n_changes


def test_a_file_for_each_task_as_label_studio_exports_them(tmp_path):
    store = AnnotationStore(tmp_path)
    added(store, 7, 1)
    task = json.loads((tmp_path / "annotations" / "7.json").read_text("utf8"))
    assert task["data"] == {"text": "Ada left."}
    assert [one["id"] for one in task["annotations"]] == [1]


def test_data_of_a_task_are_the_newest(tmp_path):
    """As after the key of the text was changed, when the tasks come to be predicted again."""
    store = AnnotationStore(tmp_path)
    added(store, 7, 1, second=2)
    annotation = {"id": 1, "result": [], "updated_at": "2026-01-01T00:00:02Z"}
    store.add(7, {"body": "Ada left."}, annotation)
    store.add(7, {"old": "Ada"}, {**annotation, "updated_at": "2026-01-01T00:00:01Z"})
    for one in (store, AnnotationStore(tmp_path)):
        assert [task["data"] for task in one.tasks()] == [{"body": "Ada left."}]
        assert one.n_changes == 1


def test_what_a_killed_process_was_writing_is_nobodys(tmp_path):
    added(AnnotationStore(tmp_path), 7, 1)
    (tmp_path / "annotations" / ".8.json.abc.partial").write_text("{", "utf8")
    assert len(AnnotationStore(tmp_path).tasks()) == 1


@pytest.mark.parametrize("name", ["annotations/7.json", "project.json", "state.json"])
@pytest.mark.parametrize("content", ['{"id": 7}', "[]", "7", "{"])
def test_a_damaged_file_is_named(name, content, tmp_path):
    store = AnnotationStore(tmp_path)
    added(store, 7, 1)
    store.set_project("1.2", CONFIG)
    (tmp_path / name).write_text(content, "utf8")
    with pytest.raises(UserError, match=rf"{re.escape(name)} is damaged"):
        AnnotationStore(tmp_path)


def test_a_folder_of_the_name_on_the_page_can_be_opened_again(tmp_path):
    folder = tmp_path / "annotations"
    folder.mkdir()
    store = AnnotationStore(folder)
    store.set_project("1.2", CONFIG)
    added(store, 7, 1)
    again = AnnotationStore(folder)
    assert (again.project, again.label_config, again.n_changes) == ("1.2", CONFIG, 1)


def reduced(*events, config=CONFIG, known=("PER", "LOC"), unfinished=None):
    tasks = {}
    for one in events:
        task = tasks.setdefault(one["task"]["id"], {**one["task"], "annotations": []})
        task["annotations"].append(one["annotation"])
    return tasks_of_control(tasks.values(), read_label_config(config), known, unfinished)


def region(kind, name="other", **value):
    return {"id": "x", "from_name": name, "to_name": "text", "type": kind, "value": value}


def labels_of(tasks):
    return [
        [region["value"]["labels"] for one in task["annotations"] for region in one["result"]]
        for task in tasks
    ]


def test_regions_of_other_controls_say_nothing():
    mixed = annotated(1, "Ada left.", [(0, 3, "PER")], CONFIG)
    mixed["annotation"]["result"] += [region("choices", choices=["A"])]
    others = annotated(2, "Ada left.", [], CONFIG)
    others["annotation"]["result"] = [region("labels", start=0, end=3, labels=["PER"])]
    empty = annotated(3, "Nobody left.", [], CONFIG)
    complete, partly = reduced(mixed, others, empty)
    assert [task["id"] for task in complete] == [1, 3]
    assert labels_of(complete) == [[["PER"]], []]
    assert partly == []


def test_of_one_person_the_last_annotation_counts_and_of_several_all():
    first = annotated(1, "Ada left.", [(0, 3, "PER")], CONFIG, id=1, updated_at="2026-01-01")
    second = annotated(1, "Ada left.", [(0, 3, "LOC")], CONFIG, id=2, updated_at="2026-01-02")
    other = annotated(1, "Ada left.", [], CONFIG, id=3, completed_by=9)
    ((task,), _) = reduced(second, first, other)
    assert labels_of([task]) == [[["LOC"]]]
    assert len(task["annotations"]) == 2


def test_a_choice_says_that_a_task_is_half_done():
    half = annotated(1, "Ada left Rome.", [(0, 3, "PER")], CONFIG)
    half["annotation"]["result"] += [region("choices", choices=["to be continued"])]
    assert [len(part) for part in reduced(half, unfinished="to be continued")] == [0, 1]
    assert [len(part) for part in reduced(half, unfinished="something else")] == [1, 0]
    assert [len(part) for part in reduced(half)] == [1, 0]


def test_labels_get_the_names_that_the_pipeline_has_for_them():
    config = CONFIG.replace('value="PER"', 'value="Person" predicted_values="PER,PERSON"')
    event = annotated(1, "Ada left.", [(0, 3, "Person")], config)
    assert labels_of(reduced(event, config=config)[0]) == [[["PER"]]]
    assert labels_of(reduced(event, config=config, known=["PERSON"])[0]) == [[["PERSON"]]]
    assert labels_of(reduced(event, config=config, known=["LOC"])[0]) == [[["Person"]]]
