"""The few web pages of sign-in; of a request nothing stands in them, of a session the user's e-mail."""

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
{command}{ways}</html>
"""


def page(
    status: int,
    title: str,
    text: str,
    command: str = "",
    *,
    headers: Mapping[str, str],
    links: Mapping[str, str] | None = None,
) -> web.Response:
    """A page with a heading, a sentence or two, a command to be copied where one helps, and links by path."""
    ways = " · ".join(f'<a href="{escape(path)}">{escape(name)}</a>' for path, name in (links or {}).items())
    body = _PAGE.format(
        title=escape(title),
        text=escape(text),
        command=f"<pre>{escape(command)}</pre>\n" if command else "",
        ways=f"<p>{ways}</p>\n" if ways else "",
    )
    return web.Response(
        status=status,
        text=body,
        content_type="text/html",
        headers={**headers, "Content-Security-Policy": _POLICY},
    )
