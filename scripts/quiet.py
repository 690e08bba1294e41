"""Run a command without showing what it prints, unless it fails.

    python scripts/quiet.py COMMAND ...

For tools that print pages though all is well, such as setuptools in `spacy package`.
"""

import subprocess
import sys


def main() -> int:
    """The command's own exit code."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    done = subprocess.run(
        sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, end="")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
