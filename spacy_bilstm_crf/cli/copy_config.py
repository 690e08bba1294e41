"""`copy-config`: copy a config that comes with the package."""

from pathlib import Path

from typer import Argument
from wasabi import msg

from ..common.resources import shipped_configs
from .app import bilstm_crf_cli
from .options import ForceOption


@bilstm_crf_cli.command("copy-config")
def copy_config_cli(
    name: str = Argument(..., help=f"Name of the config: {', '.join(shipped_configs())}"),
    output: Path = Argument(..., help="File to save the config to"),
    force: ForceOption = False,
) -> None:
    """Copy a config that comes with the package, or the search space of `tune`."""
    from ..workflows import copy_config

    msg.good(f"Saved {name} to {copy_config(name, output, force=force)}")
