"""GetPlatform written with FastAPI: the same token check, role and row, straight from PostgreSQL.

python -m benchmarks.fastapi_peer PORT      # until its stdin closes

It reads the environment of the platform service beside which it is measured. Token verification is the
product's own. Roles are kept for 5 seconds, where the platform service
reads them each time: the peer has less to do.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import uvicorn
import uvloop
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

from aidatalabs_services.runtime.tokens import TokenVerifier, jwks_source

_ROLE_SECONDS = 5.0
_ENV = "AIDATALABS_PLATFORM_"


class Platform(BaseModel):
    """The answer, field by field as the contract has it."""

    name: str
    uid: str
    display_name: str
    config: dict[str, Any]
    state: str
    owner: str
    create_time: str
    update_time: str
    etag: str


def make_app(postgres_url: str, jwks_url: str) -> FastAPI:
    """The app with its one route."""
    verifier = TokenVerifier(jwks_source(jwks_url))
    roles: dict[tuple[str, str], tuple[float, str]] = {}
    pool: asyncpg.Pool[asyncpg.Record]

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        nonlocal pool
        async with asyncpg.create_pool(postgres_url, server_settings={"search_path": "platform"}) as pool:
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None)

    async def uid_for(user: str, platform_id: str) -> str:
        known = roles.get((user, platform_id))
        if known is not None and known[0] > time.monotonic():
            return known[1]
        row = await pool.fetchrow(
            "SELECT p.id FROM platforms p JOIN platform_members m ON m.platform_id = p.id "
            "WHERE p.platform_id = $1 AND m.member IN ($2, 'allUsers') LIMIT 1",
            platform_id,
            user,
        )
        if row is None:
            raise HTTPException(404)
        roles[user, platform_id] = (time.monotonic() + _ROLE_SECONDS, row["id"])
        return str(row["id"])

    @app.get("/api/v1/platforms/{platform_id}")
    async def get_platform(platform_id: str, authorization: str = Header()) -> Platform:
        token = await verifier.verify(authorization.removeprefix("Bearer "))
        uid = await uid_for(token.user, platform_id)
        row = await pool.fetchrow("SELECT * FROM platforms WHERE id = $1", uid)
        if row is None:
            raise HTTPException(404)
        return Platform(
            name=f"platforms/{row['platform_id']}",
            uid=str(row["id"]),
            display_name=row["name"],
            config={},
            state=row["status"].upper(),
            owner=f"users/{row['user_id']}",
            create_time=row["created_at"].isoformat(),
            update_time=row["updated_at"].isoformat(),
            etag=str(row["version"]),
        )

    return app


async def serve(port: int) -> None:
    """Serves with one worker until stdin closes; prints a line when it is ready."""
    app = make_app(os.environ[f"{_ENV}POSTGRES_URL"], os.environ[f"{_ENV}JWKS_URL"])
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.02)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
