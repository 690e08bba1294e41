"""The page of a search: what is in it, for trials of all kinds."""

import re
from html.parser import HTMLParser

import pytest

from spacy_bilstm_crf.workflows.tuning.page import search_page
from spacy_bilstm_crf.workflows.tuning.results import best_of, results_of

optuna = pytest.importorskip("optuna")
pytest.importorskip("matplotlib")


def objective(trial):
    kind = trial.suggest_categorical("kind", ["a<b", "c"])
    rate = trial.suggest_float("rate", 0.001, 1.0, log=True)
    if kind == "c":
        trial.suggest_int("depth", 1, 3)
    trial.report(rate / 2, 0)
    if trial.number == 3:
        raise optuna.TrialPruned
    if trial.number == 5:
        trial.set_user_attr("outcome", {"reason": "Diverged: a <loss> of NaN"})
        raise ArithmeticError
    if trial.number == 7:
        raise ArithmeticError
    return rate / 2 + 0.25 * (kind == "c")


def page(n_trials):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials, catch=(ArithmeticError,))
    results = results_of(study)
    return search_page(study, results, best_of(results), {"kind": "c"}), results


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def elements(text):
    parser = Elements()
    parser.feed(text)
    return parser.found


def test_every_picture_says_what_it_shows_and_ids_are_their_own():
    text, _ = page(20)
    found = elements(text)
    pictures = [attrs for _, attrs in found if attrs.get("role") == "img"]
    assert len(pictures) == 6 == sum(tag == "svg" for tag, _ in found)  # each wide and narrow
    assert all(len(attrs["aria-label"]) > 40 for attrs in pictures)
    assert any("kind" in attrs["aria-label"] and "%" in attrs["aria-label"] for attrs in pictures)
    ids = [attrs["id"] for _, attrs in found if "id" in attrs]
    assert len(ids) == len(set(ids))
    used = {attrs.get("xlink:href", "#")[1:] for tag, attrs in found if tag == "use"}
    used |= set(re.findall(r"url\(#(.+?)\)", text))
    assert used <= set(ids)
    # All colours are the page's, which are light or dark
    assert not re.search(r"(fill|stroke): ?#", text.partition("</style>")[2])


def test_trials_of_all_kinds_are_in_its_table():
    text, results = page(20)
    assert len(results) == 19  # without the interrupted one
    assert "19 trials (17 complete, 1 pruned, 1 failed)" in text
    assert "Diverged: a &lt;loss&gt; of NaN" in text and "a&lt;b" in text
    assert "<loss>" not in text and "a<b" not in text


def test_few_trials_have_no_importance():
    text, _ = page(4)
    assert "Importance" not in text and "Parallel coordinates" in text


def test_dollar_signs_are_no_mathematics():
    def of_dollars(trial):
        kind = trial.suggest_categorical("US$ and A$_{", ["$x^$", "c"])
        return trial.suggest_float("$rate$", 0.001, 1.0, log=True) + (kind == "c")

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(of_dollars, 12)
    results = results_of(study)
    text = search_page(study, results, best_of(results), {})
    assert ">US$ and A$_{</text>" in text and ">$x^$</text>" in text
    assert "mathdefault" not in text
