"""Copy a config that comes with the package."""

from pathlib import Path

from ..common.files import check_file, reported_os_errors, write_whole
from ..common.resources import shipped_config


def copy_config(name: str, output: str | Path, *, force: bool = False) -> Path:
    """Copy a config that comes with the package, or the search space of `tune`, to a file.

    Args:
        name: Name of the config, such as `glove_char_cnn`; `tuning` is the search space.
        output: The file to write.
        force: Whether an existing file may be replaced.

    Returns:
        The file.

    Raises:
        UserError: If there is no such config, or the file can't be written.
    """
    source, output = shipped_config(name), Path(output)
    check_file(output, force, read=[source])
    with reported_os_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        write_whole(output, source.read_bytes())
    return output
