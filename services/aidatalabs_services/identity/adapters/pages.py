"""The few web pages that sign-in shows when it does not work; nothing of a request stands in them."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from aiohttp import web

# Nothing is loaded, framed or run.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title} · AI Data Labs</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto }}</style>
<h1>{title}</h1>
<p>{text}</p>
{command}</html>
"""


def page(
    status: int, title: str, text: str, command: str = "", *, headers: Mapping[str, str]
) -> web.Response:
    """A page with a heading, a sentence or two, and a command to be copied where one helps."""
    body = _PAGE.format(
        title=escape(title),
        text=escape(text),
        command=f"<pre>{escape(command)}</pre>\n" if command else "",
    )
    return web.Response(
        status=status,
        text=body,
        content_type="text/html",
        headers={**headers, "Content-Security-Policy": _POLICY},
    )
