"""Chromium without a window: what a page is after its scripts ran, and what went wrong."""

import shutil
import subprocess

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)

browser = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="needs Chromium"),
]
# Before anything of the page runs: its errors go where the dump shows them
COLLECT = """<script>
const failed = text => document.documentElement.setAttribute("data-error", text);
addEventListener("error", event => failed(event.message));
addEventListener("securitypolicyviolation", event => failed(`refused: ${event.blockedURI}`));
</script>"""


def opened(html, folder, script="", options=()):
    """A page as Chromium has it once its scripts and one more ran, and what is on the console.

    What goes wrong in a script is an error here.
    """
    assert "<head>" in html
    path = folder / "page.html"
    end = f"<script>{script}</script></body>"
    path.write_text(html.replace("<head>", f"<head>{COLLECT}", 1).replace("</body>", end), "utf8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--v=0"]
    command += [*options, "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert "data-error" not in done.stdout.split("<head>")[0], done.stdout[:500]
    return done.stdout, console


def noted(html, folder, script, options=()):
    """The strings that a script gave to `note`, in a page."""
    start = "const notes = document.body.appendChild(document.createElement('aside'));"
    note = "const note = text => { notes.append(text, '\\n'); };"
    dom, console = opened(html, folder, f"{start}{note}{script}", options)
    assert not console
    return dom.split("<aside>")[1].split("</aside>")[0].splitlines()
