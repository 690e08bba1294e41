"""The service's page, opened in Chromium."""

from contextlib import contextmanager

from tests.inference.service.service import wait_for


@contextmanager
def opened(chromium, client):
    """The page, opened. Nothing may go wrong on it, and nothing be loaded from elsewhere."""
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(str(client.base_url))
    wait_for(lambda: page.evaluate("service !== null"))
    yield page
    own = (str(client.base_url), "data:")
    assert all(url.startswith(own) for url in asked), asked
    context.close()
    expected = [words for words in said if "status of 413" in words]
    assert said == expected


def type_in(page, text):
    page.fill("#text", text)
    wait_for_answer(page, text)


def wait_for_answer(page, text):
    wait_for(lambda: page.evaluate("answer && answer.text") == text)


# Of each text that is shown, to its ground
CONTRASTS = """() => {
    const light = color => {
        const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map(v => {
            const c = v / 255;
            return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = node => {
        const color = getComputedStyle(node).backgroundColor, clear = "rgba(0, 0, 0, 0)";
        return color === clear && node.parentElement ? ground(node.parentElement) : color;
    };
    return [...document.querySelectorAll("h1, h2, p, label, button, mark, mark b, td, th, li")]
        .filter(node => node.textContent && node.checkVisibility())
        .map(node => {
            const pair = [light(getComputedStyle(node).color), light(ground(node))];
            return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
        });
}"""
