"""MkDocs hooks: parts of pages that are generated from the code.

A page may contain these lines, each of which is replaced:

    <!-- options: NAME -->            table of the options of `python -m spacy bilstm-crf NAME`
    <!-- registered: GROUP -->        functions of an entry point group in setup.cfg, documented
    <!-- public: PACKAGE [NAME...] --> names that a package exports, documented
    <!-- modules: PACKAGE [LEVEL] --> all modules of a package, documented under headings of this
                                      level, without the names that another page documents

So a module can be moved or renamed within its package without a change to the docs.
"""

import ast
import configparser
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from typer.main import get_command

from spacy_bilstm_crf.cli import bilstm_crf_cli

ROOT = Path(__file__).parent.parent
MARKER = re.compile(r"^<!-- (options|registered|public|modules): (.+?) -->$", re.MULTILINE)
DIRECTIVE = re.compile(r"^::: ([\w.]+)", re.MULTILINE)


def commands() -> dict[str, Any]:
    """Return the Click commands by name."""
    group: Any = get_command(bilstm_crf_cli)
    return group.commands


def options_table(name: str) -> str:
    """Return the arguments and options of a command as a Markdown table.

    Raises:
        KeyError: If there is no such command.
    """
    rows = ["| argument or option | default | meaning |", "| --- | --- | --- |"]
    for parameter in commands()[name].params:
        if parameter.param_type_name == "argument":
            names = [(parameter.metavar or parameter.name).upper()]
        else:
            names = [*parameter.opts, *parameter.secondary_opts]
        written = ", ".join(f"`{each}`" for each in names)
        default = "required" if parameter.required else _default(parameter.default)
        rows.append(f"| {written} | {default} | {parameter.help or ''}{_allowed(parameter)} |")
    return "\n".join(rows)


def _allowed(parameter: Any) -> str:
    """Return the choices or the range of a parameter, to follow its help."""
    annotation = parameter.type_descriptor.annotation
    if get_origin(annotation) is Literal:
        return f" (one of {', '.join(f'`{choice}`' for choice in get_args(annotation))})"
    least, most = parameter.min, parameter.max
    if most is not None:
        return f" ({least:g} to {most:g})"
    return "" if least is None else f" (at least {least:g})"


def _default(value: Any) -> str:
    return "none" if value is None else "off" if value is False else f"`{value}`"


def registered(group: str) -> str:
    """Return a table of an entry point group, followed by the documentation of each entry.

    Raises:
        KeyError: If setup.cfg has no such group.
    """
    setup = configparser.ConfigParser(delimiters=("=",))
    setup.optionxform = str  # type: ignore[assignment, method-assign]
    setup.read(ROOT / "setup.cfg")
    rows, targets = ["| name | function |", "| --- | --- |"], []
    for line in setup["options.entry_points"][group].strip().splitlines():
        name, target = (part.strip() for part in line.split("="))
        targets.append(definition(*target.split(":")))
        rows.append(f"| `{name}` | [`{target.split(':')[1]}`][{targets[-1]}] |")
    return "\n\n".join(["\n".join(rows), *(f"::: {target}" for target in targets)])


def public(package: str, *names: str) -> str:
    """Return mkdocstrings directives for names that a package exports.

    By default these are all of them, functions first. Each has its short name as an anchor, so that
    links survive when it moves to another module.
    """
    exported = names or sorted(exports(package), key=lambda name: name[0].isupper())
    return "\n\n".join(f"[](){{#{name}}}\n\n::: {definition(package, name)}" for name in exported)


def exports(package: str) -> list[str]:
    """Return the names that a package imports from its modules for others."""
    imports = (node for node in _tree(package).body if isinstance(node, ast.ImportFrom))
    return [alias.name for node in imports if node.level for alias in node.names]


def definition(module: str, name: str) -> str:
    """Return the full name of an object, in the module that defines it.

    Args:
        module: Module that defines the object or imports it from another of this package.
        name: Name of the object in that module.
    """
    for node in _tree(module).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return definition(_imported(module, node), alias.name)
    return f"{module}.{name}"


def _imported(module: str, node: ast.ImportFrom) -> str:
    """Return the full name of the module that a relative import names."""
    parents = module.split(".")
    if _file(module).name == "__init__.py":
        parents.append("")
    base = parents[: len(parents) - node.level]
    return ".".join([*base, *([node.module] if node.module else [])])


def modules(package: str, level: str = "2") -> str:
    """Return mkdocstrings directives for the modules of a package.

    Names that are documented elsewhere are left out, and so are modules without other public names.

    Args:
        package: Full name of a package or of a single module.
        level: Level of the headings.
    """
    known = documented()
    directives = []
    for module in modules_of(package):
        names = public_names(module)
        elsewhere = [name for name in names if f"{module}.{name}" in known]
        if module in known or len(elsewhere) == len(names):
            continue
        hidden = "".join(f', "!^{name}$"' for name in elsewhere)
        directives.append(
            f"::: {module}\n"
            "    options:\n"
            f"      heading_level: {level}\n"
            "      show_root_full_path: true\n"
            f'      filters: ["!^_[^_]"{hidden}]'
        )
    return "\n\n".join(directives)


def modules_of(package: str) -> list[str]:
    """Return the full names of a package and its modules, or of a single module."""
    file = _file(package)
    if file.name != "__init__.py":
        return [package]
    paths = sorted(file.parent.rglob("*.py"))
    parts = (path.relative_to(ROOT).with_suffix("").parts for path in paths)
    return sorted(".".join(part).removesuffix(".__init__") for part in parts)


def public_names(module: str) -> list[str]:
    """Return the functions and classes that a module defines, without private ones."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = (node.name for node in _tree(module).body if isinstance(node, kinds))
    return [name for name in found if not name.startswith("_")]


def documented() -> set[str]:
    """Return what the pages document by name, rather than by listing all modules of a package."""
    return {name for page in _pages() for name in DIRECTIVE.findall(expanded(page, "modules"))}


def _pages() -> Iterator[str]:
    for path in (ROOT / "docs").rglob("*.md"):
        yield path.read_text(encoding="utf8")


def _file(module: str) -> Path:
    """Return the file of a module or package."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _tree(module: str) -> ast.Module:
    return _parsed(_file(module).read_text(encoding="utf8"))


@cache  # by content, so that changes are seen while MkDocs serves
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


GENERATORS = {
    "options": options_table,
    "registered": registered,
    "public": public,
    "modules": modules,
}


def expanded(page: str, *kept: str) -> str:
    """Return a page with its markers replaced.

    Args:
        page: Markdown of the page.
        *kept: Kinds of markers to leave as they are.
    """

    def replacement(found: "re.Match[str]") -> str:
        kind, arguments = found.groups()
        return found[0] if kind in kept else GENERATORS[kind](*arguments.split())

    return MARKER.sub(replacement, page)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Generate the parts of a page. MkDocs calls this for each page."""
    return expanded(markdown)
