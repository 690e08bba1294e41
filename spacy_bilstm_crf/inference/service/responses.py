"""Responses of the service that are not plain JSON."""

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

BYTES_OF_PIECE = 1 << 16  # of a response


class PatientResponse(Response):
    """A JSON response in pieces, that waits for the client to read, but not forever.

    Args:
        content: The JSON.
        seconds: The most seconds for the client to read a piece.
    """

    media_type = "application/json"

    def __init__(self, content: bytes, seconds: float) -> None:
        super().__init__(content)
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. The connection is closed if the client does not read."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        n_bytes = len(self.body)
        for start in range(0, n_bytes, BYTES_OF_PIECE):
            end = start + BYTES_OF_PIECE
            message = {
                "type": "http.response.body",
                "body": self.body[start:end],
                "more_body": end < n_bytes,
            }
            try:
                await asyncio.wait_for(send(message), self._seconds)
            except asyncio.TimeoutError:
                return


class DocBinResponse(Response):
    """A .spacy file."""

    media_type = "application/octet-stream"

    def __init__(self, content: bytes) -> None:
        super().__init__(
            content, headers={"Content-Disposition": 'attachment; filename="annotated.spacy"'}
        )
