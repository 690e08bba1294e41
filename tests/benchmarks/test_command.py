"""The command lines of studies."""

import importlib

import pytest
from typer.testing import CliRunner

from benchmarks.harness.command import app_of
from benchmarks.tables import STUDIES


def printed(study, *arguments):
    app = app_of(importlib.import_module(f"benchmarks.{study}").main)
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "100"})


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_says_how_it_is_run(study):
    result = printed(study, "--help")
    assert result.exit_code == 0
    assert f"python -m benchmarks.{study}" in result.output
    assert "BENCHMARK_RESULTS" in result.output


def test_a_value_that_is_not_one_of_those_allowed():
    result = printed("distill", "--dataset", "wnut18")
    assert result.exit_code == 2
    assert "'wnut18' is not one of ncbi-disease, wnut17." in result.output


@pytest.mark.parametrize("study", ["pretraining", "encoder.accuracy"])
@pytest.mark.parametrize("way", ["words.bin", "=words.bin", "words="])
def test_a_way_to_begin_has_a_name_and_a_path(study, way):
    result = printed(study, way)
    assert result.exit_code == 2
    assert f"'{way}' is not NAME=PATH." in result.output
