"""Options as spaCy has them: one set of letters each, ranges and choices that typer checks."""

import inspect
import types
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import pytest
from typer import Context
from typer.models import OptionInfo

from spacy_bilstm_crf.cli import bilstm_crf_cli, options
from tests.helpers import spacy_command

COMMANDS = {command.name: command.callback for command in bilstm_crf_cli.registered_commands}
# Letters that stand for the same option in every command, as in spaCy's own
LETTERS = {"-c": "--code", "-F": "--force", "-g": "--gpu-id", "-o": "--output"}
# Paths that are written. Pipelines may be packages, and texts may be a glob: those are strings
WRITTEN = {"inception", "label-studio", "output", "problems", "write-clean", "cross-validation"}
# Paths whose readers say how to make such a file, or what they can read
EXPLAINED = {"config", "path", "texts", "config_path"}


class Parameter(NamedTuple):
    """An argument or option of a command."""

    command: str
    name: str  # with its dashes if it is an option
    letters: tuple[str, ...]
    info: Any
    annotation: Any

    @property
    def is_option(self):
        return self.name.startswith("-")

    @property
    def choices(self):
        found = (get_args(one) for one in types_of(self.annotation) if get_origin(one) is Literal)
        return [choice for choices in found for choice in choices]

    @property
    def has_range(self):
        return self.info.min is not None or self.info.max is not None

    def wrong_values(self):
        if self.info.min is not None:
            yield self.info.min - 1
        if self.info.max is not None:
            yield self.info.max + 1
        if self.choices:
            yield "nonsense"
        if self.info.exists and self.is_option:
            yield "no/such.file"


def types_of(annotation):
    """The types of a union, or the one that it is."""
    is_union = get_origin(annotation) in (Union, types.UnionType)
    return get_args(annotation) if is_union else (annotation,)


def is_option_name(each):
    return isinstance(each, str) and each.startswith("-")


def parameter_of(command, name, annotation, default=inspect.Parameter.empty):
    info, decls = default, []
    if get_origin(annotation) is Annotated:
        annotation, info = get_args(annotation)
        decls = [info.default]  # where typer keeps the first name
    decls = [each for each in (*decls, *(info.param_decls or ())) if is_option_name(each)]
    if isinstance(info, OptionInfo) and not decls:
        decls = [f"--{name.replace('_', '-')}"]
    long = next((each for each in decls if each.startswith("--")), name)
    return Parameter(
        command, long, tuple(each for each in decls if not each.startswith("--")), info, annotation
    )


def parameters_of(command):
    for name, found in inspect.signature(COMMANDS[command]).parameters.items():
        if found.annotation is not Context:
            yield parameter_of(command, name, found.annotation, found.default)


PARAMETERS = [one for command in COMMANDS for one in parameters_of(command)]
SHARED = [
    parameter_of("", name, annotation)
    for name, annotation in vars(options).items()
    if get_origin(annotation) is Annotated
]
WRONG = [
    pytest.param(parameter, value, id=f"{parameter.command} {parameter.name} {value}")
    for parameter in PARAMETERS
    for value in parameter.wrong_values()
]


@pytest.mark.parametrize("command", COMMANDS)
def test_letters_and_help_of_shared_options(command):
    shared = defaultdict(list)
    for each in SHARED:
        if each.is_option:
            shared[each.name].append(each)
    for each in parameters_of(command):
        for letter in set(each.letters) & set(LETTERS):
            assert each.name == LETTERS[letter]
        if each.name in shared:
            assert each.letters == shared[each.name][0].letters
            helps = {one.info.help for one in shared[each.name]}
            is_exempt = each.name == "--output"
            assert each.info.help in helps or is_exempt  # an output may be a file


def test_an_option_has_the_same_letters_in_every_command():
    letters = defaultdict(set)
    for each in PARAMETERS:
        if each.is_option:
            letters[each.name].add(each.letters)
    assert {name: found for name, found in letters.items() if len(found) > 1} == {}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_ranges_and_choices(command):
    shown = "".join(spacy_command("bilstm-crf", command, "--help").split())
    for each in parameters_of(command):
        assert each.info.help, each.name
        assert "".join(each.info.help.split()) in shown
        for choice in each.choices:
            assert choice in shown
        for bound in (each.info.min, each.info.max):
            assert (
                bound is None
                or f"{bound}<=x" in shown
                or f"x>={bound}" in shown
                or (f"x<={bound}" in shown)
            )


@pytest.mark.parametrize("parameter, value", WRONG)
def test_a_wrong_value_is_one_line(parameter, value):
    given = [f"{parameter.name}={value}"]
    if not parameter.is_option:
        before = [each for each in parameters_of(parameter.command) if not each.is_option]
        # After "--", or -1 would be an option
        given = ["--", *["x"] * before.index(parameter), value]
    said = spacy_command("bilstm-crf", parameter.command, *given, exit_codes=(1,))
    assert len(said.strip().splitlines()) == 1
    assert said.startswith("Error: ") and parameter.name in said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_path_that_is_read_is_checked_by_typer(command):
    for each in parameters_of(command):
        if Path in types_of(each.annotation) and each.name.strip("-") not in WRITTEN | EXPLAINED:
            assert each.info.exists, each.name


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_argument_is_one_line(command):
    said = spacy_command("bilstm-crf", command, exit_codes=(1,))
    assert said.startswith("Error: Missing ") and len(said.strip().splitlines()) == 1
