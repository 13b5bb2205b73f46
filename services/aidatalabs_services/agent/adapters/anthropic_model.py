"""A model behind Anthropic's Messages format, through the official SDK.

Only a service with a model of this format imports this module, and with it the SDK.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import anthropic
from anthropic.types import Message

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

# The SDK reads a reply with fields of another type, and pydantic's warning of that would quote it in the log.
warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)

_ENDED = {
    "tool_use": "tools",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "declined",
}


class AnthropicModel:
    """`ModelProvider`; one client with its pool of connections, made in the loop that uses it."""

    def __init__(
        self, *, name: str, base_url: str, key: Callable[[], str], most_output_tokens: int, stream: bool
    ) -> None:
        self._name = name
        self._key = key
        self._most_output_tokens = most_output_tokens
        self._stream = stream
        # Repeats are ours: they mind the budget, Retry-After and the time that the call has left.
        self._client = anthropic.AsyncAnthropic(base_url=base_url, api_key="unset", max_retries=0)

    async def reply(
        self, system: str, entries: Sequence[Entry], tools: Sequence[Tool], *, seconds: float
    ) -> Reply:
        """See ModelProvider."""
        client = self._client.with_options(api_key=self._key(), timeout=seconds)
        request: dict[str, Any] = {
            "model": self._name,
            "max_tokens": self._most_output_tokens,
            "system": system,
            "messages": [_message(entry) for entry in entries],
            "tools": [
                {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
                for tool in tools
            ],
            "tool_choice": {"type": "auto"},
        }
        try:
            if self._stream:
                async with client.messages.stream(**request) as stream:
                    message: Message = await stream.get_final_message()
            else:
                message = await client.messages.create(**request)
            return _reply(message)
        except anthropic.APITimeoutError:
            raise ModelFailed(Problem.TIMEOUT) from None
        except anthropic.APIStatusError as error:
            raise _status_failure(error.status_code, error.response.headers, error.body) from None
        except anthropic.APIConnectionError as error:
            raise failure_of_connection(error) from None
        except ModelFailed:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the SDK makes of bytes that are no answer
            raise failure_of_bytes(error) from None

    async def close(self) -> None:
        """See ModelProvider."""
        await self._client.close()


def _message(entry: Entry) -> dict[str, Any]:
    match entry:
        case Asked(text):
            return {"role": "user", "content": text}
        case Reply(wire=wire):
            return {"role": "assistant", "content": wire}
        case Results(results):
            blocks = [
                {
                    "type": "tool_result",
                    "tool_use_id": result.call_id,
                    "content": result.text,
                    "is_error": result.failed,
                }
                for result in results
            ]
            return {"role": "user", "content": blocks}


def _reply(message: Message) -> Reply:
    # A stream that ended without its last events leaves a message that looks whole, cut inputs included.
    if message.stop_reason is None or not isinstance(message.content, list):
        raise ModelFailed(Problem.CUT)
    calls = tuple(
        ToolCall(block.id, block.name, json.dumps(block.input))
        for block in message.content
        if block.type == "tool_use"
    )
    ended = _ENDED.get(message.stop_reason, "text")
    if ended == "length":
        calls = calls[:-1]  # the last one may be cut
    usage = Usage(
        message.usage.input_tokens
        + (message.usage.cache_creation_input_tokens or 0)
        + (message.usage.cache_read_input_tokens or 0),
        message.usage.output_tokens,
    )
    sent = {call.id for call in calls}
    # An empty text and a call that gets no result are refused when they are sent back.
    kept = [
        block
        for block in message.content
        if (block.type != "tool_use" or block.id in sent) and (block.type != "text" or block.text)
    ]
    wire = [block.model_dump(mode="json", exclude_none=True, by_alias=True, warnings=False) for block in kept]
    return Reply(calls, ended, usage, wire or [{"type": "text", "text": "…"}])


def _status_failure(status: int, headers: Any, body: object) -> ModelFailed:
    """An error inside of a stream has status 200; its type says what it is."""
    if status >= 400:
        return failure_of_status(status, headers)
    error = body.get("error") if isinstance(body, dict) else None
    kind = error.get("type") if isinstance(error, dict) else ""
    problem = Problem.RATE_LIMITED if kind == "rate_limit_error" else Problem.UNAVAILABLE
    return ModelFailed(problem)
