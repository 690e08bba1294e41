"""Runs a check on drawn input: a few and always the same ones, or new ones for so many seconds.

FUZZ_SECONDS=3600 gives each test of this folder its share of an hour. What breaks a promise is
made as small as it can be, and printed.
"""

import os
import time
from collections import Counter

from hypothesis import HealthCheck, given, settings

SECONDS = float(os.environ.get("FUZZ_SECONDS", 0))
EXAMPLES_OF_A_ROUND = 100  # at most: fewer where they are slow
tests = []
counts = Counter()  # of what was tried, by name


def fuzzed(examples, **strategies):
    """Make a test of a check: with so many examples, or with many more (see above)."""

    def decorate(check):
        def test():
            def run(**options):
                quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]
                options = {"deadline": None, "suppress_health_check": quiet, **options}
                settings(**options)(given(**strategies)(check))()

            if not SECONDS:
                run(max_examples=examples, derandomize=True)
                return
            until = time.monotonic() + SECONDS / len(tests)
            while time.monotonic() < until:
                run(max_examples=min(EXAMPLES_OF_A_ROUND, 5 * examples))

        test.__name__ = check.__name__
        test.__doc__ = check.__doc__
        tests.append(test)
        return test

    return decorate
