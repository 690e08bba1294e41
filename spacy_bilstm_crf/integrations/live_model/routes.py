"""Routes that an annotation tool calls, on the HTTP service."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...common.errors import UserError, one_line
from ...data.formats.jsonl import parsed_json
from ...inference.service import Refused, Service
from ...inference.service.body import SMALLER

# Tools send all that they know of what was selected
BODIES = 16  # as many times the bytes of other requests

RouteFunction = Callable[[dict[str, Any], HttpRequest], Awaitable[Response]]
_log = logging.getLogger("uvicorn.error")


def add_routes(
    app: FastAPI,
    service: Service,
    tool: str,
    answers: Mapping[str, RouteFunction],
    others: Collection[str] = (),
    smaller: str = SMALLER,
) -> None:
    """Add routes for the requests of a tool, which are JSON objects.

    What is refused is logged, since a tool often only says that a request failed.

    Args:
        app: The app.
        service: The service that it is of.
        tool: The name of the tool.
        answers: The functions that answer, by the names of their routes. They raise a `UserError`
            for what can't be used, or `Refused`.
        others: Other paths of the app that the tool calls.
        smaller: What to do if a request is too large.
    """
    for name, answer in answers.items():
        route = _route(service, tool, name, answer, smaller)
        app.add_api_route(f"/{name}", route, methods=["POST"], include_in_schema=False)
    paths = [*others, *(f"/{name}" for name in answers)]
    app.add_middleware(_HostLog, tool=tool, paths=paths)


class _HostLog:
    """Middleware that logs requests which `TrustedHostMiddleware` refuses before a route does.

    Args:
        app: The app, with that middleware.
        tool: The name of the tool.
        paths: Paths that it calls.
    """

    def __init__(self, app: ASGIApp, tool: str, paths: Collection[str]) -> None:
        self._app, self._tool, self._paths = app, tool, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and look at the status of its response."""

        async def noted(message: Message) -> None:
            is_start = message["type"] == "http.response.start"
            # A request that came to a route has got an endpoint
            if is_start and message["status"] == 400 and "endpoint" not in scope:
                host = Headers(scope=scope).get("host", "").partition(":")[0]
                _log.warning(
                    "%s, %s: Invalid host header: %.100r. If it is a name of this service, start "
                    "it with --allowed-host.",
                    self._tool,
                    scope["path"],
                    host,
                )
            await send(message)

        is_ours = scope["type"] == "http" and scope["path"] in self._paths
        await self._app(scope, receive, noted if is_ours else send)


def _route(service: Service, tool: str, name: str, answer: RouteFunction, smaller: str) -> Any:
    async def answered(request: HttpRequest) -> Response:
        try:
            most = BODIES * service.limits.bytes
            body = await service.read.body(request, most, smaller)
            given = await asyncio.to_thread(_parsed, body)
            return await answer(given, request)
        except UserError as error:
            _log.warning("%s, /%s: %s", tool, name, one_line(error))
            raise Refused(422, str(error)) from error
        except Refused as refused:
            _log.warning("%s, /%s: %s", tool, name, one_line(refused))
            raise

    async def route(request: HttpRequest) -> Response:
        return await service.respond(request, answered)

    return route


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        given = parsed_json(body.decode("utf8"))
    except (UnicodeDecodeError, UserError) as error:
        raise Refused(400, f"Send JSON in UTF-8. {one_line(error)}") from error
    if not isinstance(given, dict):
        raise Refused(422, "Send a JSON object.")
    return given
