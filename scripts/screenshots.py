"""Take the pictures of the service's page in docs/assets, in Chromium.

    python scripts/screenshots.py PIPELINE [--browser /usr/bin/chromium]

The page shows its first example: once on a screen, light, and once on a telephone, dark. A third
picture shows its entities being corrected.
"""

import threading
from pathlib import Path

import spacy
import typer
import uvicorn
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from spacy_bilstm_crf.inference.service import bound, make_app

OUTPUT = Path(__file__).parent.parent / "docs" / "assets"
CORRECTIONS = "service-corrections.png"
PICTURES = {
    "service.png": (900, "light"),
    "service-phone.png": (390, "dark"),
    CORRECTIONS: (900, "light"),
}


def few_colours(path: Path) -> None:
    """A page has few, and the file is a third as large then."""
    image = Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=128)
    image.save(path, optimize=True)


def correct(page: Page) -> None:
    """Accept the first two entities, and open the third one."""
    page.set_viewport_size({"width": 900, "height": 1600})
    entities = page.locator("#found mark[role=button]")
    for number in range(2):
        entities.nth(number).click()
        page.get_by_role("toolbar").get_by_role("button", name="Accept").click()
        page.locator("#found:not(.stale)").wait_for()
    entities.nth(2).click()


def main(pipeline: str, browser: str = "/usr/bin/chromium") -> None:
    """Serve the pipeline on this machine alone, for as long as it takes."""
    with bound("127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(make_app(spacy.load(pipeline)), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with sync_playwright() as playwright:
                chromium = playwright.chromium.launch(
                    executable_path=browser, args=["--no-sandbox"]
                )
                for name, (width, scheme) in PICTURES.items():
                    page = chromium.new_page(viewport={"width": width, "height": 300})
                    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                    page.goto(url)
                    page.locator("#examples button").first.click()
                    page.locator("#sequences li").first.wait_for()
                    if name == CORRECTIONS:
                        correct(page)
                        page.locator("#entities").screenshot(path=OUTPUT / name)
                    else:
                        page.evaluate("document.activeElement.blur()")
                        page.screenshot(path=OUTPUT / name, full_page=True)
                    few_colours(OUTPUT / name)
                    typer.echo(OUTPUT / name)
        finally:
            server.should_exit = True
            thread.join()


if __name__ == "__main__":
    typer.run(main)
