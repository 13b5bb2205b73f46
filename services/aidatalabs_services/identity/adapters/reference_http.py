"""The API reference over plain HTTP: `/openapi.yaml`, and Swagger UI at `/docs`.

Everything comes from here: the page loads nothing from elsewhere, and its policy has the browser refuse it.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

OPENAPI_PATH = "/openapi.yaml"
DOCS_PATH = "/docs"
OPENAPI_FILE = Path(__file__).resolve().parents[4] / "gen" / "openapi" / "openapi.yaml"

_UI = "swagger-ui-bundle-v2"
_UI_FOLDER = "swagger_ui_bundle/vendor/swagger-ui-5.31.0"
# Checksums of swagger-ui-dist 5.31.0 as its makers publish it: a browser runs no other file.
_UI_CHECKSUMS = {
    "swagger-ui.css": "sha384-KX9Rx9vM1AmUNAn07bPAiZhFD4C8jdNgG6f5MRNvR+EfAxs2PmMFtUUazui7ryZQ",
    "swagger-ui-bundle.js": "sha384-cxafBeQ+zYROeFafGFxtFbnp1ICqeS9mG7+f0WWSHzhnrUvwg9Za5CCw6wgrHA7K",
}
# Swagger UI sets styles on elements and has its pictures inside its style sheet.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
_HEADERS = {
    # Kept by the browser, and asked for again each time: a new version shows at once.
    "Cache-Control": "public, no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": _POLICY,
}
_PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>API reference · AI Data Labs</title>
<link rel="icon" href="{DOCS_PATH}/favicon-32x32.png">
<link rel="stylesheet" href="{DOCS_PATH}/swagger-ui.css" integrity="{_UI_CHECKSUMS["swagger-ui.css"]}">
<div id="reference"></div>
<noscript>Without JavaScript there is <a href="{OPENAPI_PATH}">{OPENAPI_PATH}</a>.</noscript>
<script src="{DOCS_PATH}/swagger-ui-bundle.js" integrity="{_UI_CHECKSUMS["swagger-ui-bundle.js"]}"></script>
<script src="{DOCS_PATH}/start.js"></script>
</html>
"""
# Without a validator: Swagger UI would show a badge of an outside service.
_START = f"""SwaggerUIBundle({{
  url: "{OPENAPI_PATH}",
  dom_id: "#reference",
  validatorUrl: null,
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
}});
"""


class ReferencePages:
    """Answers without a token; there is nothing here but what the contract says to everybody."""

    def routes(self) -> list[web.RouteDef]:
        """The page at both of its spellings, and what it loads."""
        files = {
            OPENAPI_PATH: (OPENAPI_FILE.read_bytes, "application/yaml"),
            DOCS_PATH: (_PAGE.encode, "text/html"),
            f"{DOCS_PATH}/": (_PAGE.encode, "text/html"),
            f"{DOCS_PATH}/start.js": (_START.encode, "text/javascript"),
            f"{DOCS_PATH}/swagger-ui.css": (_of_ui("swagger-ui.css"), "text/css"),
            f"{DOCS_PATH}/swagger-ui-bundle.js": (_of_ui("swagger-ui-bundle.js"), "text/javascript"),
            f"{DOCS_PATH}/favicon-32x32.png": (_of_ui("favicon-32x32.png"), "image/png"),
        }
        return [web.get(path, _File(read, kind).answer) for path, (read, kind) in files.items()]


class _File:
    """One file, read at its first request and kept."""

    def __init__(self, read: Callable[[], bytes], kind: str) -> None:
        self._read = read
        self._kind = kind
        self._body: bytes | None = None
        self._headers: dict[str, str] = {}

    async def answer(self, request: web.Request) -> web.Response:
        if self._body is None:
            body = await asyncio.to_thread(self._read)
            self._headers = _HEADERS | {"ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"'}
            self._body = body
        if request.headers.get("If-None-Match") == self._headers["ETag"]:
            return web.Response(status=304, headers=self._headers)
        charset = None if self._kind.startswith("image/") else "utf-8"
        return web.Response(body=self._body, headers=self._headers, content_type=self._kind, charset=charset)


def _of_ui(name: str) -> Callable[[], bytes]:
    """Reads a file of the package, which is found without running any of its code."""
    place = importlib.metadata.distribution(_UI).locate_file(f"{_UI_FOLDER}/{name}")
    return Path(str(place)).read_bytes
