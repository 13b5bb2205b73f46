"""The page where signing in ends."""

from __future__ import annotations

from tests.rpc.identity.world import IdentityWorld


async def test_the_front_page_says_who_is_signed_in_and_what_to_do_first(world: IdentityWorld) -> None:
    cookie = await world.session("o'neil&co@example.com")
    for sent, title in (
        (cookie, "signed in as o&#x27;neil&amp;co@example.com"),
        ("", "You are not signed in"),
    ):
        async with world.http("/", Cookie=sent) as response:
            text = await response.text()
            assert (response.status, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
            assert response.headers["Cache-Control"] == "no-store"
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert title in text
        assert '<a href="/docs">' in text
