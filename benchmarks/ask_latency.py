"""Ask-to-answer time over REST through the edge, beside the same SQL in the engine alone.

One caller. Each turn asks a question, sends the SQL of its answer to the product's Query over REST, and runs
the same SQL in the engine over HTTP: the first ratio says what the whole product adds, the second what is
left of that without the agent.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import aiohttp

from aidatalabs_services.cli.demo import PLATFORM
from benchmarks.mesh_fixture import Mesh
from benchmarks.results import Row, percentile, row

QUESTIONS = (
    "How many flights were there?",
    "Which carrier had the most flights?",
    "average departure delay by origin",
    "top 10 destinations by number of flights",
    "flights per month",
    "longest flight by distance",
    "how many flights were there to LAX in July?",
    "average arrival delay of United Airlines flights in December",
)
_TURNS = 10
_WARM_UP = 1
_ENGINE = "the same SQL, engine over HTTP"


async def run(mesh: Mesh) -> list[Row]:
    """p50 and p95 in milliseconds over all questions, and the very first answer of a new mesh."""
    asked: list[float] = []
    queried: list[float] = []
    engine: list[float] = []
    async with aiohttp.ClientSession() as session:
        first_ms, _ = await _ask(session, mesh, QUESTIONS[0])
        for turn in range(_WARM_UP + _TURNS):
            for question in QUESTIONS:
                ask_ms, sql = await _ask(session, mesh, question)
                query_ms = await _query(session, mesh, sql)
                engine_ms, _ = await _post(session, mesh.engine_url, mesh.engine_headers, data=sql)
                if turn >= _WARM_UP:
                    asked.append(ask_ms)
                    queried.append(query_ms)
                    engine.append(engine_ms)
    rows = [row("ask: first answer of a new mesh", first_ms, "ms")]
    for label, share in (("p50", 0.50), ("p95", 0.95)):
        peer_value = percentile(engine, share)
        for name, samples in (("ask over REST", asked), ("ask's SQL by Query over REST", queried)):
            value = percentile(samples, share)
            rows.append(row(f"{name}: {label}", value, "ms", peer=_ENGINE, peer_value=peer_value))
    return rows


async def _ask(session: aiohttp.ClientSession, mesh: Mesh, question: str) -> tuple[float, str]:
    """Milliseconds and the SQL of the answer. Raises RuntimeError when the product does not answer."""
    body = {"platform": PLATFORM, "question": question}
    milliseconds, answer = await _post(session, f"{mesh.url}/api/v1/agents/query", mesh.headers, json=body)
    sql = answer.get("sql")
    if not isinstance(sql, str) or not sql:
        raise RuntimeError(f"no answer to {question!r}")
    return milliseconds, sql


async def _query(session: aiohttp.ClientSession, mesh: Mesh, sql: str) -> float:
    body = {"platform": PLATFORM, "sql": sql}
    milliseconds, _ = await _post(session, f"{mesh.url}/api/v1/data/query", mesh.headers, json=body)
    return milliseconds


async def _post(
    session: aiohttp.ClientSession,
    url: str,
    headers: Mapping[str, str],
    *,
    data: str | None = None,
    json: Mapping[str, str] | None = None,
) -> tuple[float, dict[str, object]]:
    """Milliseconds until the last byte, and the answer. Raises RuntimeError for any status but 200."""
    begun = time.perf_counter()
    async with session.post(url, headers=headers, data=data, json=json) as response:
        content = await response.read()
    milliseconds = (time.perf_counter() - begun) * 1000
    if response.status != 200:
        raise RuntimeError(f"{response.status} from {response.url.path}: {content[:300]!r}")
    answer: dict[str, object] = await response.json(content_type=None)
    return milliseconds, answer
