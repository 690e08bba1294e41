"""Write the reference into the pages in docs/: options of commands, and the API from docstrings.

    python -m scripts.reference          # writes the pages
    python -m scripts.reference --check  # fails if a page is out of date

The generated parts of a page stand between a line that says what they are and a line that ends
them, which is added where it is missing:

    <!-- options: NAME -->            table of the options of `python -m spacy bilstm-crf NAME`
    <!-- registered: GROUP -->        functions of an entry point group in setup.cfg
    <!-- public: PACKAGE [NAME...] --> names that a package exports, by default all
    <!-- object: NAME -->             a function or class, by its full name
    <!-- docstring: MODULE -->        what the docstring of a module or package says
    <!-- modules: PACKAGE [LEVEL] --> all modules of a package, under headings of this level, but
                                      for what another line documents
    <!-- end of reference -->

So a name can move to another module of its package without a change to the pages.
"""

import configparser
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import griffe
from typer.main import get_command

from spacy_bilstm_crf.cli import bilstm_crf_cli

ROOT = Path(__file__).parent.parent
PACKAGE = "spacy_bilstm_crf"
END = "<!-- end of reference -->"
# A marker, and up to its end what was generated, which has no other comment in it
KINDS = "options|registered|public|object|docstring|modules"
PART = re.compile(
    rf"^(?P<marker><!-- (?P<kind>{KINDS}): (?P<what>[^\n]+?) -->)$(?:(?:(?!<!-- ).)*?{END})?",
    re.MULTILINE | re.DOTALL,
)
SIGNATURE_WIDTH = 88
TITLES = {
    griffe.DocstringSectionKind.parameters: "Parameters",
    griffe.DocstringSectionKind.attributes: "Attributes",
    griffe.DocstringSectionKind.returns: "Returns",
    griffe.DocstringSectionKind.yields: "Yields",
    griffe.DocstringSectionKind.raises: "Raises",
}


# Options of commands


def options_table(name: str) -> str:
    """Return the arguments and options of a command as a Markdown table.

    Raises:
        KeyError: If there is no such command.
    """
    group: Any = get_command(bilstm_crf_cli)
    rows = ["| argument or option | default | meaning |", "| --- | --- | --- |"]
    for parameter in group.commands[name].params:
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


# What the lines name, as Griffe's objects


@cache
def package() -> griffe.Object:
    """Return the package as Griffe reads it from the source."""
    loaded = griffe.load(
        PACKAGE,
        search_paths=[ROOT],
        docstring_parser="google",
        docstring_options={"returns_multiple_items": False, "returns_named_value": False},
    )
    assert isinstance(loaded, griffe.Object)
    return loaded


def found(name: str) -> griffe.Object:
    """Return an object where it is defined.

    Args:
        name: Its full name, in that module or in one that imports it.

    Raises:
        KeyError: If there is none.
    """
    if name == PACKAGE:
        return package()
    one = package()[name.removeprefix(f"{PACKAGE}.")]
    return one.final_target if isinstance(one, griffe.Alias) else one


def entry_points(group: str) -> dict[str, str]:
    """Return the full names of an entry point group in setup.cfg by their registered names.

    Raises:
        KeyError: If setup.cfg has no such group.
    """
    setup = configparser.ConfigParser(delimiters=("=",))
    setup.optionxform = str  # type: ignore[assignment, method-assign]
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"][group].strip().splitlines()
    pairs = ([part.strip() for part in line.split("=")] for line in lines)
    return {name: target.replace(":", ".") for name, target in pairs}


def exported(name: str) -> dict[str, griffe.Object]:
    """Return what a package imports from its modules, by name, functions first."""
    # Not its members: a module may have the name of the function that is imported from it
    own = {name: path for name, path in found(name).imports.items() if path.startswith(PACKAGE)}
    return {name: found(own[name]) for name in sorted(own, key=lambda name: name[0].isupper())}


def objects_of(kind: str, what: str) -> list[griffe.Object]:
    """Return what a line documents by name: nothing for modules and options."""
    first, *names = what.split()
    if kind == "registered":
        return [found(name) for name in entry_points(first).values()]
    if kind == "public":
        exports = exported(first)
        return [exports[name] for name in names or exports]
    return [found(first)] if kind == "object" else []


def modules_of(name: str) -> Iterator[griffe.Object]:
    """Yield a module, and those of a package in the order of their names."""
    module = found(name)
    yield module
    for _, member in sorted(module.members.items()):
        if not member.is_alias and member.is_module:
            yield from modules_of(member.path)


def contents(module: griffe.Object) -> list[griffe.Object]:
    """Return a module's own functions and classes that no other line documents."""
    return [one for one in public_members(module) if one.path not in documented_by_name()]


def public_members(one: griffe.Object) -> list[griffe.Object]:
    """Return the functions, classes and documented attributes that a module or class defines."""
    own = [member for member in one.members.values() if isinstance(member, griffe.Object)]
    return [member for member in own if not member.is_module and _is_public(member)]


def _is_public(member: Any) -> bool:
    if not (member.is_function or member.is_class) and not member.has_docstring:
        return False
    if re.fullmatch(r"__\w+__", member.name):
        return member.has_docstring and member.name != "__init__"  # which is part of its class
    return not member.name.startswith("_")


def parts() -> Iterator[tuple[str, str]]:
    """Yield the kind and the names of each line of all pages."""
    for path in pages():
        for part in PART.finditer(path.read_text(encoding="utf8")):
            yield part["kind"], part["what"]


@cache
def documented_by_name() -> set[str]:
    """Return the full names of what lines document by name, not as part of a module."""
    return {one.path for kind, what in parts() for one in objects_of(kind, what)}


# Their Markdown


def described(one: Any, level: int) -> str:
    """Return the documentation of a function, class or property, under a heading."""
    # Not a block of `python`, which a test would run
    written = [f"{'#' * level} `{one.name}`", f"```py\n{declaration(one)}\n```"]
    written += _sections(one)
    if one.is_class:
        init = one.members.get("__init__")
        if init is not None and not init.is_alias:
            written += _sections(init)
        written += [described(member, level + 1) for member in public_members(one)]
    return "\n\n".join(written)


def declaration(one: Any) -> str:
    """Return the signature of a function or class, or the name and type of a property."""
    if one.is_function:
        return wrapped(one.signature())
    if one.is_class:
        if "__init__" in one.members:
            return f"class {wrapped(one.signature())}"
        bases = ", ".join(map(str, one.bases))
        return f"class {one.name}({bases})" if bases else f"class {one.name}"
    return f"{one.name}: {one.annotation}" if one.annotation else one.name


def wrapped(signature: str) -> str:
    """Return a signature with a parameter on each line if it is too long for one."""
    if len(signature) <= SIGNATURE_WIDTH:
        return signature
    name, _, rest = signature.partition("(")
    depth, parameters = 0, [""]
    while depth or rest[0] != ")":
        character, rest = rest[0], rest[1:]
        depth += (character in "([{") - (character in ")]}")
        if character == "," and not depth:
            parameters.append("")
        else:
            parameters[-1] += character
    lines = "".join(f"    {parameter.strip()},\n" for parameter in parameters)
    return f"{name}(\n{lines}{rest}"


def _sections(one: Any) -> list[str]:
    """Return the paragraphs and lists of a docstring."""
    sections = one.docstring.parsed if one.has_docstring else []
    written = []
    for section in sections:
        if section.kind is griffe.DocstringSectionKind.text:
            written.append(section.value)
        else:
            items = "\n".join(map(_item, section.value))
            written.append(f"**{TITLES[section.kind]}**\n\n{items}")
    return written


def _item(element: Any) -> str:
    """Return an element of a docstring's section as an item of a list."""
    name = getattr(element, "name", "")
    head = f"`{name}`" if name else ""
    if element.annotation is not None:
        head = f"{head} (`{element.annotation}`)" if name else f"`{element.annotation}`"
    text = f"{head}: {element.description}" if head else element.description
    return f"- {textwrap.indent(text, '  ').strip()}"


def registered(group: str) -> str:
    """Return a table of an entry point group, followed by the documentation of each entry."""
    rows = ["| name | function |", "| --- | --- |"]
    for name, target in entry_points(group).items():
        function = target.rpartition(".")[2]
        rows.append(f"| `{name}` | [`{function}`](#{function.lower()}) |")
    return "\n\n".join(["\n".join(rows), by_name("registered", group)])


def by_name(kind: str, what: str) -> str:
    """Return the documentation of what a line names."""
    return "\n\n".join(described(one, 2) for one in objects_of(kind, what))


def modules(name: str, level: str = "2") -> str:
    """Return the documentation of modules that have something to document, with their contents."""
    written = []
    for module in modules_of(name):
        shown = contents(module)
        if shown:
            written += [f"{'#' * int(level)} `{module.path}`", *_sections(module)]
            written += [described(one, int(level) + 1) for one in shown]
    return "\n\n".join(written)


GENERATORS: dict[str, Callable[..., str]] = {
    "options": options_table,
    "registered": registered,
    "public": lambda *what: by_name("public", " ".join(what)),
    "object": lambda name: by_name("object", name),
    "docstring": lambda name: "\n\n".join(_sections(found(name))),
    "modules": modules,
}


# Pages


def pages() -> list[Path]:
    """Return the pages of the documentation."""
    return sorted((ROOT / "docs").rglob("*.md"))


def with_reference(page: str) -> str:
    """Return a page with its generated parts made anew."""

    def replaced(part: "re.Match[str]") -> str:
        written = GENERATORS[part["kind"]](*part["what"].split())
        return f"{part['marker']}\n\n{written}\n\n{END}"

    return PART.sub(replaced, page)


def outdated() -> Iterable[tuple[Path, str]]:
    """Yield each page that is out of date, with its new text."""
    for path in pages():
        text = path.read_text(encoding="utf8")
        new = with_reference(text)
        if new != text:
            yield path, new


def main() -> None:
    """Write the pages that are out of date, or name them and fail."""
    changes = list(outdated())
    if "--check" not in sys.argv[1:]:
        for path, text in changes:
            path.write_text(text, encoding="utf8")
            print(f"Wrote {path.relative_to(ROOT)}")
    elif changes:
        names = ", ".join(str(path.relative_to(ROOT)) for path, _ in changes)
        sys.exit(f"Out of date: {names}. Run `make reference`, which rewrites them.")


if __name__ == "__main__":
    main()
