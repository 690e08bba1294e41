"""The body of a request -> texts and settings, or a clear refusal."""

import asyncio
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request as HttpRequest

from .messages import AnnotatedTexts, AnnotateRequest, FixedSpan, RejectedSpan

Asked = TypeVar("Asked", AnnotateRequest, AnnotatedTexts)

# Of a character in JSON: a pair of \uXXXX
BYTES_OF_CHARACTER = 12
BYTES_BESIDE = 1 << 16
# A body that is too large is read to its end, so that the client reads the answer; not at any size
MOST_READ = 1 << 28
MOST_OF_PROBLEM = 500  # characters
MOST_PROBLEMS = 5
# The rest of a body is not waited for
CLOSE = {"Connection": "close"}
OF_SPANS: dict[str, type[BaseModel]] = {
    "fixed": FixedSpan,
    "rejected": RejectedSpan,
    "entities": FixedSpan,
}
BUSY = "Too many requests are waiting. Try again soon."
SOON = {"Retry-After": "1", **CLOSE}
SMALLER = "Send fewer texts at a time."


class Limits(NamedTuple):
    """Limits of requests.

    Attributes:
        texts: The most texts of a request.
        characters: The most characters of all its texts together.
        waiting: The most requests that wait for an answer at any time, once they have arrived.
        seconds: The most seconds for a body to arrive, and for a client to read on.
        queue: The most seconds that a request waits for its turn.
    """

    texts: int = 256
    characters: int = 100_000
    waiting: int = 1000
    seconds: float = 10.0
    queue: float = 5.0

    @property
    def cost(self) -> int:
        """The most that a request costs: see `dynamic_batching.Request`. The page's just fits."""
        return 9 * self.characters // 2

    @property
    def waiting_cost(self) -> int:
        """The most that all requests cost that wait at any time: a minute's work, about."""
        return 50 * self.characters

    @property
    def waiting_bytes(self) -> int:
        """The most bytes of bodies that arrive at any time."""
        return 50 * self.bytes

    @property
    def bytes(self) -> int:
        """The most bytes of a body: enough for the characters however they are written."""
        return BYTES_OF_CHARACTER * self.characters + BYTES_BESIDE


class Refused(Exception):
    """A request that is refused.

    Args:
        status: The HTTP status.
        detail: What is wrong, and what to do.
        headers: Further headers of the response.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


class RequestReader:
    """Reads and checks the bodies of requests.

    Args:
        limits: What one request may take, and all of them together.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._n_bytes = 0  # of bodies that are arriving

    async def __call__(self, request: HttpRequest, model: type[Asked]) -> Asked:
        """Read and check the body of a request with texts.

        Args:
            request: The request.
            model: What it asks for.

        Raises:
            Refused: If it can't be read (see `body`), is not JSON or does not fit the schema.
        """
        return _checked(_parsed(await self.body(request, self._limits.bytes), model), self._limits)

    async def body(self, request: HttpRequest, most: int, smaller: str = SMALLER) -> bytes:
        """Read the body of a request, which must say that it is JSON.

        Args:
            request: The request.
            most: The most bytes that it may have.
            smaller: What to do if it has more.

        Raises:
            Refused: If it is too large or too slow, is said to be something else, or if too many
                arrive.
        """
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refused(415, "Send the body as it is, without a Content-Encoding.", CLOSE)
        # Without one, a browser would send it for any web page, without asking the service first
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind.lower() != "application/json":
            raise Refused(415, "Send JSON: Content-Type: application/json.", CLOSE)
        seconds = self._limits.seconds
        try:
            return await asyncio.wait_for(self._read(request, most, smaller), seconds)
        except asyncio.TimeoutError as error:
            raise Refused(408, f"The body took longer than {seconds:g} seconds.", CLOSE) from error

    async def _read(self, request: HttpRequest, most: int, smaller: str) -> bytes:
        body = bytearray()
        n_bytes = 0
        try:
            async for chunk in request.stream():
                n_bytes += len(chunk)
                if n_bytes <= most:
                    body += chunk
                    self._n_bytes += len(chunk)
                    if self._n_bytes > self._limits.waiting_bytes:
                        raise Refused(503, BUSY, SOON)
                elif n_bytes > MOST_READ:
                    break
        finally:
            self._n_bytes -= len(body)
        if n_bytes > most:
            raise Refused(413, f"The body has more than {most:,} bytes. {smaller}")
        return bytes(body)


def _parsed(body: bytes, model: type[Asked]) -> Asked:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        # Without what was sent: it may be anything, and texts are not to come back in errors
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        is_json = problems[0]["type"] != "json_invalid"
        said = [_in_words(problem, model) for problem in problems[:MOST_PROBLEMS]]
        words = "; ".join(said)[:MOST_OF_PROBLEM]
        if is_json:
            raise Refused(422, words) from error
        raise Refused(
            400, f"{words}. Send JSON in UTF-8, without a byte order mark or lone surrogates."
        ) from error


def _in_words(problem: Any, model: type[BaseModel]) -> str:
    *above, _ = names = problem["loc"] or ("",)
    if problem["type"] == "extra_forbidden":  # whose name may be a text
        model = OF_SPANS.get(str(names[0]), model)
        where = "".join(f"{name}." for name in above)[:-1]
        said = f"There is an unknown field. Known fields: {', '.join(model.model_fields)}."
        return f"{where}: {said}" if where else said
    # A key of thresholds may be a text
    place = ".".join(map(str, names[:1] if names[0] == "threshold" else names))
    return f"{place}: {problem['msg']}" if place else problem["msg"]


def _checked(given: Asked, limits: Limits) -> Asked:
    n_texts = len(given.texts)
    if n_texts > limits.texts:
        raise Refused(422, f"texts: there are {n_texts:,}. Send at most {limits.texts:,}.")
    n_characters = sum(map(len, given.texts))
    if n_characters > limits.characters:
        raise Refused(
            413,
            f"The texts have {n_characters:,} characters. Send at most {limits.characters:,} at a "
            f"time.",
        )
    return given
