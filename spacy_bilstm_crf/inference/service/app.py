"""The service as a FastAPI app."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from spacy.language import Language
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from .body import Limits
from .messages import (
    AnnotatedTexts,
    AnnotateRequest,
    AnnotateResponse,
    ErrorResponse,
    HealthResponse,
    LabelsResponse,
)
from .responses import DocBinResponse
from .service import Service, name_and_version

BATCH_SIZE = 64
SCRIPTS = ("corrections.js", "editor.js", "page.js")
PAGE_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    **{f"/{name}": (name, "text/javascript; charset=utf-8") for name in SCRIPTS},
    "/examples.json": ("examples.json", "application/json"),
}
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse, "description": description}
    for status, description in {
        400: "The body is not valid JSON.",
        408: "The body took too long to arrive.",
        413: "Too many characters or bytes, or too many entities are asked for.",
        415: "The content type is not JSON, or the body is compressed.",
        422: "A field is missing, unknown or of another type, there are too many texts, or the "
        "pipeline has no probabilities and was asked for them.",
        500: "A component of the pipeline failed on a text.",
        503: "Too many requests are waiting. Try again after the seconds of Retry-After.",
    }.items()
}


# Adds routes to the app. What it returns is entered as long as the app runs
Extension = Callable[[FastAPI, "Service"], AbstractAsyncContextManager[None]]


def make_app(
    nlp: Language,
    limits: Limits = Limits(),  # noqa: B008 - never changed
    batch_size: int = BATCH_SIZE,
    allowed_hosts: Sequence[str] = ("*",),
    extension: Extension | None = None,
) -> FastAPI:
    """Make the app that serves a pipeline.

    Args:
        nlp: The pipeline. It belongs to the app: its settings are changed for single requests.
        limits: What one request may take. The pipeline's `max_length` is a limit too.
        batch_size: Texts of several requests that are predicted together, at most.
        allowed_hosts: Host names that requests may name, for Starlette's `TrustedHostMiddleware`.
        extension: Adds further routes, as `integrations.label_studio` does.
    """
    limits = limits._replace(characters=min(limits.characters, nlp.max_length))
    service = Service(nlp, limits, batch_size)
    running: list[AbstractAsyncContextManager[None]] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with running[0] if running else nullcontext():
            yield
            await service.batcher.stop()

    app = FastAPI(
        title="Named entities",
        description=f"Finds entities in texts with the pipeline {name_and_version(nlp)}.",
        version=str(nlp.meta.get("version") or "0.0.0"),
        lifespan=lifespan,
        # They load scripts from elsewhere
        docs_url=None,
        redoc_url=None,
        # To whatever host a request names
        redirect_slashes=False,
    )
    # Or a web page whose host name is made to point here could read the answers (DNS rebinding)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts, www_redirect=False)

    @app.post(
        "/annotate",
        summary="Find the entities of texts",
        response_model=AnnotateResponse,
        responses=ERRORS,
        openapi_extra=_with_body(AnnotateRequest, limits),
    )
    async def annotate(request: HttpRequest) -> Response:
        return await service.annotate(request)

    @app.post(
        "/docbin",
        summary="Write annotated texts as a .spacy file",
        response_class=Response,
        responses={200: {"content": {DocBinResponse.media_type: {}}}, **ERRORS},
        openapi_extra=_with_body(AnnotatedTexts, limits),
    )
    async def docbin(request: HttpRequest) -> Response:
        return await service.docbin(request)

    @app.get("/labels", summary="What the pipeline knows", response_model=LabelsResponse)
    async def labels() -> dict[str, Any]:
        return service.labels()

    @app.get("/health", summary="Whether the service is up", response_model=HealthResponse)
    async def health() -> dict[str, Any]:
        return {"status": "ok", "waiting": service.n_waiting}

    @app.head("/health", include_in_schema=False)
    @app.head("/", include_in_schema=False)
    async def head() -> Response:
        return Response()

    @app.get("/metrics", summary="Numbers for Prometheus", response_class=Response)
    async def metrics() -> Response:
        content, media_type = service.metrics.page()
        return Response(content, media_type=media_type)

    for path, (name, media_type) in PAGE_FILES.items():
        app.add_api_route(path, _file(name, media_type), include_in_schema=False)
    if extension is not None:
        running.append(extension(app, service))
    return app


def _with_body(model: type[BaseModel], limits: Limits) -> dict[str, Any]:
    schema = model.model_json_schema()
    # Whose references would be looked up in the whole document
    schema = _inlined(schema, schema.pop("$defs", {}))
    schema["properties"]["texts"]["maxItems"] = limits.texts
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """Return a JSON schema with what it refers to in the place of the references."""
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items()}


def _file(name: str, media_type: str) -> Any:
    content = files(__package__).joinpath(name).read_bytes()

    async def page() -> Response:
        return Response(content, media_type=media_type, headers=PAGE_HEADERS)

    return page
