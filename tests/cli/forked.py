"""Starts commands as processes that need not import all anew: forks of one that has.

For tests that kill or stop a command, and start it many times. multiprocessing's server of forks
has no threads and no locks that a fork could inherit.
"""

import multiprocessing
import os
import signal
import sys

import spacy
from spacy.cli._util import setup_cli

# For the forks, and so is the first pipeline, for which spaCy imports all factories
import spacy_bilstm_crf.inference.batch.engines
import spacy_bilstm_crf.inference.batch.table  # noqa: F401

spacy.blank("en")


def start(arguments, log, workers="spawn"):
    """Start `python -m spacy ARGUMENTS`, with its output in a file and Ctrl-C as in a terminal.

    Args:
        arguments: The words of the command.
        log: Path of the file.
        workers: How the command starts processes instead of by "spawn". Those of "fork" do not
            import what it has imported.

    Returns:
        The process, which leads a group of its own.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    words = [str(word) for word in arguments]
    process = context.Process(target=_run, args=(words, log, workers))
    process.start()
    return process


def _run(arguments, log, workers):
    os.setsid()
    # Shells let what they start in the background ignore Ctrl-C, and children inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Line by line, as a terminal: what is in a buffer would be lost with a process that is killed
    with log.open("w", buffering=1) as printed:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(printed.fileno(), stream.fileno())
        context_of = multiprocessing.get_context
        multiprocessing.get_context = lambda method=None: context_of(
            workers if method == "spawn" else method
        )
        # Its workers take this list from it
        sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
        sys.argv = ["spacy", *arguments]
        setup_cli()
