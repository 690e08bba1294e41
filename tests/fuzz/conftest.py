"""Says at the end how much was tried."""

from tests.fuzz.running import SECONDS, counts


def pytest_terminal_summary(terminalreporter):
    if SECONDS and counts:
        tried = ", ".join(f"{number:,} {what}" for what, number in sorted(counts.items()))
        terminalreporter.write_line(f"Fuzzed: {tried}.")
