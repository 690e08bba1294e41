"""Commands in processes of their own, with one thread."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .paths import ROOT

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def run_python(*arguments: Any, **options: Any) -> subprocess.CompletedProcess:
    """Run a Python command with one thread, in the project's folder, until it ends.

    Args:
        arguments: What follows the name of the interpreter.
        options: Of `subprocess.run`.

    Raises:
        CalledProcessError: If it fails.
    """
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, check=True, cwd=ROOT, env=ONE_THREAD, **options)


def start_python(
    *arguments: Any, interpreter: str | Path = sys.executable, **options: Any
) -> subprocess.Popen:
    """Start a Python command with one thread, in the project's folder.

    Args:
        arguments: What follows the name of the interpreter.
        interpreter: Python of another environment.
        options: Of `subprocess.Popen`.
    """
    command = [str(interpreter), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=ONE_THREAD, **options)


def cpu_seconds_of(process: subprocess.Popen) -> float:
    """Wait for a process to end, and return the processor time that it took."""
    _, status, usage = os.wait4(process.pid, 0)  # which tells it of this process alone
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def spacy_command(*arguments: Any) -> None:
    """Run a command of spaCy's command line, without its output."""
    run_python("-m", "spacy", *arguments, stdout=subprocess.DEVNULL)


def calling(function: Callable[..., Any], *arguments: Any) -> list[str]:
    """Return the arguments of a Python that calls a function and prints the result as JSON.

    Args:
        function: A function of a module below `benchmarks`.
        arguments: What JSON can hold.
    """
    module = function.__module__
    if module == "__main__":
        module = sys.modules["__main__"].__spec__.name  # type: ignore[union-attr]
    code = (
        f"import json, sys; from {module} import {function.__name__} as function; "
        f"print(json.dumps(function(*json.loads(sys.argv[1]))))"
    )
    return ["-c", code, json.dumps(arguments)]


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own, and return its result."""
    done = run_python(*calling(function, *arguments), stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])
