"""The size of modules, and how many others each knows. import-linter holds which."""

import ast

import pytest

from tests.helpers import ROOT

PACKAGE = ROOT / "spacy_bilstm_crf"
MODULES = sorted(PACKAGE.rglob("*.py"))
COMPONENT = PACKAGE / "pipeline" / "ner.py"


def imported(path):
    """The modules of ours that a module imports, by name."""
    package = path.relative_to(ROOT).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = package[: len(package) - node.level + 1] if node.level else ()
        names = [node.module] if node.module else [alias.name for alias in node.names]
        found |= {".".join([*base, name]) for name in names}
    return {name for name in found if name.startswith("spacy_bilstm_crf.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_are_small_and_know_few_others(path):
    n_lines = len(path.read_text(encoding="utf8").splitlines())
    assert n_lines <= (450 if path == COMPONENT else 350)
    if path.name != "__init__.py":  # which hands on names
        assert len(imported(path)) <= 7, imported(path)
