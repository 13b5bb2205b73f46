"""A model behind OpenAI's Chat Completions format, through the official SDK: OpenAI, GLM, and many others.

Only a service with a model of this format imports this module, and with it the SDK.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from aidatalabs_services.agent.adapters.provider_failures import (
    failure_of_bytes,
    failure_of_connection,
    failure_of_status,
)
from aidatalabs_services.agent.models.conversation import (
    Asked,
    Entry,
    ModelFailed,
    Problem,
    Reply,
    Results,
    Tool,
    ToolCall,
    Usage,
)

_ENDED = {"tool_calls": "tools", "length": "length", "content_filter": "declined"}
_MOST_CHARACTERS = 1_000_000


class OpenAiModel:
    """`ModelProvider`; one client with its pool of connections, made in the loop that uses it."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        key: Callable[[], str],
        most_output_tokens: int,
        stream: bool,
        output_limit: str,
    ) -> None:
        self._name = name
        self._key = key
        self._limit = {output_limit: most_output_tokens}
        self._stream = stream
        # Repeats are ours: they mind the budget, Retry-After and the time that the call has left.
        self._client = openai.AsyncOpenAI(base_url=base_url, api_key="unset", max_retries=0)

    async def reply(
        self, system: str, entries: Sequence[Entry], tools: Sequence[Tool], *, seconds: float
    ) -> Reply:
        """See ModelProvider."""
        client = self._client.with_options(api_key=self._key(), timeout=seconds)
        request: dict[str, Any] = {
            "model": self._name,
            "messages": [
                {"role": "system", "content": system},
                *(message for entry in entries for message in _messages(entry)),
            ],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": dict(tool.parameters),
                    },
                }
                for tool in tools
            ],
            "tool_choice": "auto",
            **self._limit,
        }
        try:
            if not self._stream:
                return _reply(_whole(await client.chat.completions.create(**request)))
            heard = _Heard()
            request |= {"stream": True, "stream_options": {"include_usage": True}}
            async with await client.chat.completions.create(**request) as stream:
                async for chunk in stream:
                    heard.add(chunk)
            return _reply(heard)
        except openai.APITimeoutError:
            raise ModelFailed(Problem.TIMEOUT) from None
        except openai.APIStatusError as error:
            raise failure_of_status(error.status_code, error.response.headers) from None
        except openai.APIConnectionError as error:
            raise failure_of_connection(error) from None
        except openai.APIError:  # an error inside of a stream
            raise ModelFailed(Problem.UNAVAILABLE) from None
        except ModelFailed:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the SDK makes of bytes that are no answer
            raise failure_of_bytes(error) from None

    async def close(self) -> None:
        """See ModelProvider."""
        await self._client.close()


def _messages(entry: Entry) -> list[dict[str, Any]]:
    match entry:
        case Asked(text):
            return [{"role": "user", "content": text}]
        case Reply(wire=wire):
            return [wire] if isinstance(wire, dict) else []
        case Results(results):
            return [
                {"role": "tool", "tool_call_id": result.call_id, "content": result.text} for result in results
            ]


@dataclass
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass
class _Heard:
    """What has been said so far; calls by their place."""

    text: str = ""
    refusal: str = ""
    calls: dict[int, _Call] = field(default_factory=dict)
    finish_reason: str = ""
    usage: Usage = field(default_factory=Usage)
    characters: int = 0
    begun: bool = False

    def add(self, chunk: ChatCompletionChunk) -> None:
        """Adds a piece of a stream. Raises ModelFailed for one that never stops."""
        self.begun = True
        if chunk.usage is not None:
            self.usage = Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        for choice in chunk.choices[:1]:
            self._said(choice.delta.content or "", choice.delta.refusal or "")
            for piece in choice.delta.tool_calls or []:
                call = self.calls.setdefault(piece.index, _Call())
                call.id = piece.id or call.id
                if piece.function is not None:
                    call.name += piece.function.name or ""
                    call.arguments += piece.function.arguments or ""
                    self.characters += len(piece.function.arguments or "")
            self.finish_reason = choice.finish_reason or self.finish_reason
        if self.characters > _MOST_CHARACTERS:
            raise ModelFailed(Problem.GARBLED)

    def _said(self, text: str, refusal: str) -> None:
        self.text += text
        self.refusal += refusal
        self.characters += len(text) + len(refusal)


def _whole(completion: ChatCompletion) -> _Heard:
    choice = completion.choices[0]
    heard = _Heard(choice.message.content or "", choice.message.refusal or "")
    heard.finish_reason = choice.finish_reason or ""
    if completion.usage is not None:
        heard.usage = Usage(completion.usage.prompt_tokens, completion.usage.completion_tokens)
    for place, call in enumerate(choice.message.tool_calls or []):
        if call.type == "function":
            heard.calls[place] = _Call(call.id, call.function.name, call.function.arguments)
    return heard


def _reply(heard: _Heard) -> Reply:
    if not heard.finish_reason:
        raise ModelFailed(Problem.CUT if heard.begun else Problem.GARBLED)
    ended = "declined" if heard.refusal else _ENDED.get(heard.finish_reason, "text")
    found = [heard.calls[place] for place in sorted(heard.calls)]
    if ended == "length":
        found = found[:-1]  # the last one may be cut
    calls = tuple(
        ToolCall(call.id or f"call_{place}", call.name, call.arguments) for place, call in enumerate(found)
    )
    wire: dict[str, Any] = {"role": "assistant", "content": heard.text or ("" if calls else "…")}
    if calls:
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    return Reply(calls, ended, heard.usage, wire)
