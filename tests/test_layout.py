"""The layout of the package: one name, one module; commands that only parse, call and print."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "spacy_bilstm_crf"
MODULES = {
    path.relative_to(PACKAGE).with_suffix("").as_posix(): ast.parse(path.read_text(encoding="utf8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}
COMMANDS = [name for name in MODULES if name.startswith("cli/")]

HELPERS = {"cli/__init__", "cli/app", "cli/format_options", "cli/options", "cli/tables"}

# Names that several modules may define
EXCEPTIONS: dict[str, str] = {}  # name -> reason; none is needed


def names_of(target):
    if isinstance(target, ast.Name):
        return [target.id]
    return [name for each in getattr(target, "elts", []) for name in names_of(each)]


def defined(module):
    """Public names that a module defines itself."""
    for node in MODULES[module].body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [name for target in node.targets for name in names_of(target)]
        elif isinstance(node, ast.AnnAssign):
            names = names_of(node.target)
        else:
            names = []
        yield from (name for name in names if not name.startswith("_"))


def defined_in():
    found = defaultdict(list)
    for module in MODULES:
        for name in defined(module):
            found[name].append(module)
    return found


def test_a_public_name_is_defined_in_one_module():
    several = {name: modules for name, modules in defined_in().items() if len(modules) > 1}
    assert {name: where for name, where in several.items() if name not in EXCEPTIONS} == {}
    assert set(EXCEPTIONS) <= set(several)  # none that is not needed any more


def imported(node, module):
    """Rooms of the package that an import statement of a command's module names."""
    if not isinstance(node, ast.ImportFrom) or not node.level:
        return set()
    path = (node.module or "").split(".")
    if node.level == 1:
        return {"cli"}
    return {path[0]} if path[0] else {alias.name for alias in node.names}


@pytest.mark.parametrize("module", COMMANDS)
def test_a_command_imports_workflows_and_integrations_late_and_nothing_else(module):
    tree = MODULES[module]
    at_import = {room for node in tree.body for room in imported(node, module)}
    anywhere = {room for node in ast.walk(tree) for room in imported(node, module)}
    assert at_import <= {"cli", "common"}
    assert anywhere <= {"cli", "common", "workflows", "integrations"}


@pytest.mark.parametrize("module", sorted({*COMMANDS} - HELPERS))
def test_a_module_of_a_command_defines_the_command_alone(module):
    kinds = (ast.FunctionDef, ast.ClassDef)
    defined_here = [node.name for node in MODULES[module].body if isinstance(node, kinds)]
    assert [name for name in defined_here if not name.startswith("_")] == [f"{module[4:]}_cli"]


def opened_as_text(module):
    """Calls that read or write text, of open, read_text and write_text."""
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            modes = [each.value for each in given if isinstance(each, ast.Constant)]
            is_binary = any(isinstance(mode, str) and "b" in mode for mode in modes)
            of_os = ast.unparse(node.func) == "os.open"
            if name in ("open", "read_text", "write_text") and not (is_binary or of_os):
                yield node


@pytest.mark.parametrize("module", MODULES)
def test_text_has_an_encoding(module):
    """Without one Windows takes a code page."""
    for node in opened_as_text(module):
        assert "encoding" in {keyword.arg for keyword in node.keywords}, ast.unparse(node)
