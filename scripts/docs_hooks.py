"""What MkDocs does beside its plugins: the commands' options are read from the commands.

A line `<!-- options: NAME -->` in a page becomes a table of the arguments and options of
`python -m spacy bilstm-crf NAME`, out of the same Typer app that prints `--help`.
"""

import re
from typing import Any

from typer.main import get_command

from spacy_bilstm_crf.cli import bilstm_crf_cli

MARKER = re.compile(r"<!-- options: ([\w-]+) -->")


def commands() -> dict[str, Any]:
    """The commands by their names, as Click has them."""
    group: Any = get_command(bilstm_crf_cli)
    return group.commands


def options_table(name: str) -> str:
    """What a command takes, as a table.

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
        default = "needed" if parameter.required else _default(parameter.default)
        rows.append(f"| {written} | {default} | {parameter.help or ''} |")
    return "\n".join(rows)


def _default(value: Any) -> str:
    return "none" if value is None else "off" if value is False else f"`{value}`"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the tables into a page; MkDocs calls it for each of them."""
    return MARKER.sub(lambda found: options_table(found[1]), markdown)
