"""A provider of models that follows a script, in the real wire formats of Anthropic and OpenAI, over HTTP.

`/v1/messages` speaks Anthropic's Messages, `/openai/chat/completions` OpenAI's Chat Completions; both stream
where they are asked to. What comes next is an act of the script, the same for both formats.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Turn:
    """A reply: calls of tools as (name, arguments), or text; `raw_arguments` are sent as they are."""

    calls: tuple[tuple[str, Any], ...] = ()
    text: str = ""
    stop: str = ""  # tool_use, end_turn, max_tokens or refusal, in Anthropic's words
    tokens: tuple[int, int] = (1000, 50)
    counted: bool = True


@dataclass(frozen=True)
class Status:
    """An HTTP error in the provider's own shape; its text holds the key, as a careless provider's might."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Garbage:
    """Status 200 and bytes that are no answer."""

    body: bytes = b"<html>it works!</html>"
    content_type: str = "application/json"


@dataclass(frozen=True)
class Hang:
    """Nothing at all, for so long."""

    seconds: float = 30.0


@dataclass(frozen=True)
class Cut:
    """The first part of a reply, then the connection is gone; `polite` ends the response as if whole."""

    turn: Turn
    polite: bool = False


@dataclass(frozen=True)
class StreamError:
    """A stream that begins well and then says that it is overloaded."""


Act = Turn | Status | Garbage | Hang | Cut | StreamError
Scripted = Act | Callable[[dict[str, Any]], Act]
_STOPS = {"tool_use": "tool_calls", "end_turn": "stop", "max_tokens": "length", "refusal": "content_filter"}


def call(name: str, **arguments: Any) -> Turn:
    """A reply that calls one tool."""
    return Turn(calls=((name, arguments),))


def raw_call(name: str, text: str) -> Turn:
    """A reply that calls one tool with arguments as this text, JSON or not."""
    return Turn(calls=((name, text),))


@dataclass
class Provider:
    """The running server: `script` holds the acts to come, `last` is repeated once they are used up."""

    port: int = 0
    script: deque[Scripted] = field(default_factory=deque)
    last: Scripted = field(default_factory=lambda: Status(500))
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    gone: int = 0
    """Requests whose client went away before their end."""

    def plays(self, *acts: Scripted, then: Scripted | None = None) -> None:
        """Begins a new script."""
        self.script = deque(acts)
        self.last = then if then is not None else Status(500)
        self.asked.clear()
        self.headers.clear()
        self.gone = 0

    @property
    def anthropic_url(self) -> str:
        """Base URL of the one format."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        """Base URL of the other."""
        return f"http://127.0.0.1:{self.port}/openai"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Plays the next act."""
        body = await request.json()
        self.asked.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        scripted = self.script.popleft() if self.script else self.last
        act = scripted(body) if callable(scripted) else scripted
        wire: Wire = Anthropic() if request.path == "/v1/messages" else OpenAi()
        match act:
            case Status(code, headers):
                return web.json_response(
                    wire.error(f"no: {_key(request)}"), status=code, headers=dict(headers)
                )
            case Garbage(content, content_type):
                return web.Response(body=content, content_type=content_type)
            case Hang(seconds):
                try:
                    await asyncio.sleep(seconds)
                except asyncio.CancelledError:
                    self.gone += 1
                    raise
                return web.json_response(wire.error("too late"), status=500)
            case Turn():
                return await _send(request, wire, act, body.get("stream", False), cut="")
            case Cut(turn, polite):
                streamed = body.get("stream", False)  # what comes in one piece has no polite end before
                cut = "politely" if polite and streamed else "hard"
                return await _send(request, wire, turn, streamed, cut=cut)
            case StreamError():
                return await _send(request, wire, Turn(text="Well, "), True, cut="error")


def _key(request: web.Request) -> str:
    return request.headers.get("x-api-key") or request.headers.get("authorization") or ""


class Wire:
    """One wire format; `ending` is how many events a stream has after the last word."""

    ending = 2

    def error(self, text: str) -> dict[str, Any]:
        """The body of an HTTP error."""
        raise NotImplementedError

    def whole(self, turn: Turn) -> dict[str, Any]:
        """A reply in one piece."""
        raise NotImplementedError

    def pieces(self, turn: Turn) -> list[str]:
        """A reply as server-sent events."""
        raise NotImplementedError

    def overloaded(self) -> str:
        """The event of a provider that gives up in the middle."""
        raise NotImplementedError


class Anthropic(Wire):
    """Messages."""

    def error(self, text: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": "api_error", "message": text}}

    def whole(self, turn: Turn) -> dict[str, Any]:
        blocks: list[dict[str, Any]] = [{"type": "text", "text": turn.text}] if turn.text else []
        for place, (name, arguments) in enumerate(turn.calls):
            blocks.append({"type": "tool_use", "id": f"toolu_{place}", "name": name, "input": arguments})
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "scripted",
            "content": blocks,
            "stop_reason": turn.stop or ("tool_use" if turn.calls else "end_turn"),
            "stop_sequence": None,
            "usage": {"input_tokens": turn.tokens[0], "output_tokens": turn.tokens[1]},
        }

    def pieces(self, turn: Turn) -> list[str]:
        whole = self.whole(turn)
        start = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
        events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
        for index, block in enumerate(whole["content"]):
            if block["type"] == "text":
                opened: dict[str, Any] = {"type": "text", "text": ""}
                deltas: list[dict[str, str]] = [
                    {"type": "text_delta", "text": part} for part in _halves(block["text"])
                ]
            else:
                opened = {**block, "input": {}}
                text = block["input"] if isinstance(block["input"], str) else json.dumps(block["input"])
                deltas = [{"type": "input_json_delta", "partial_json": part} for part in _halves(text)]
            events.append({"type": "content_block_start", "index": index, "content_block": opened})
            events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
            events.append({"type": "content_block_stop", "index": index})
        events.append(
            {
                "type": "message_delta",
                "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
                "usage": {"output_tokens": turn.tokens[1]},
            }
        )
        events.append({"type": "message_stop"})
        return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]

    def overloaded(self) -> str:
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        return f"event: error\ndata: {json.dumps(error)}\n\n"


class OpenAi(Wire):
    """Chat Completions."""

    ending = 3

    def error(self, text: str) -> dict[str, Any]:
        return {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": None}}

    def whole(self, turn: Turn) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": turn.text or None, "refusal": None}
        if turn.calls:
            message["tool_calls"] = self._calls(turn)
        choice = {"index": 0, "message": message, "finish_reason": self._finish(turn), "logprobs": None}
        return self._head("chat.completion", [choice], turn)

    def _calls(self, turn: Turn) -> list[dict[str, Any]]:
        return [
            {
                "id": f"call_{place}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
                },
            }
            for place, (name, arguments) in enumerate(turn.calls)
        ]

    @staticmethod
    def _finish(turn: Turn) -> str:
        return _STOPS[turn.stop or ("tool_use" if turn.calls else "end_turn")]

    @staticmethod
    def _head(kind: str, choices: list[dict[str, Any]], turn: Turn | None) -> dict[str, Any]:
        head = {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "scripted", "choices": choices}
        if turn is None or not turn.counted:
            return head
        tokens = {"prompt_tokens": turn.tokens[0], "completion_tokens": turn.tokens[1]}
        return {**head, "usage": {**tokens, "total_tokens": sum(turn.tokens)}}

    def pieces(self, turn: Turn) -> list[str]:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": part} for part in _halves(turn.text)] if turn.text else []
        for place, made in enumerate(self._calls(turn)):
            text = made["function"]["arguments"]
            opened = {**made, "index": place, "function": {"name": made["function"]["name"], "arguments": ""}}
            deltas.append({"tool_calls": [opened]})
            deltas += [
                {"tool_calls": [{"index": place, "function": {"arguments": part}}]} for part in _halves(text)
            ]
        chunks = [self._chunk(delta, None) for delta in deltas]
        chunks.append(self._chunk({}, self._finish(turn)))
        if turn.counted:
            chunks.append(self._head("chat.completion.chunk", [], turn))
        return [*(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks), "data: [DONE]\n\n"]

    def _chunk(self, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return self._head("chat.completion.chunk", [choice], None)

    def overloaded(self) -> str:
        return f"data: {json.dumps({'error': {'message': 'Overloaded', 'type': 'server_error'}})}\n\n"


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [part for part in (text[:middle], text[middle:]) if part]


async def _send(
    request: web.Request, wire: Wire, turn: Turn, streamed: bool, *, cut: str
) -> web.StreamResponse:
    if not streamed and not cut:
        return web.json_response(wire.whole(turn))
    pieces = wire.pieces(turn) if streamed else [json.dumps(wire.whole(turn))]
    response = web.StreamResponse(
        headers={"content-type": "text/event-stream" if streamed else "application/json"}
    )
    if not streamed:
        response.content_length = len(pieces[0])
    await response.prepare(request)
    text = "".join(pieces)
    if cut == "error":
        text = "".join(pieces[:-2]) + wire.overloaded()
    elif cut == "politely":
        text = "".join(pieces[: -wire.ending])
    elif cut == "hard":
        text = text[: len(text) * 2 // 3]
    await response.write(text.encode())
    if cut == "hard":
        await asyncio.sleep(0.02)
        if request.transport is not None:
            request.transport.abort()
    return response


@contextlib.asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """A provider on a free port of the loopback."""
    made = Provider()
    app = web.Application(client_max_size=16 * 2**20)
    app.router.add_post("/v1/messages", made.answer)
    app.router.add_post("/openai/chat/completions", made.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        yield made
    finally:
        await runner.cleanup()
