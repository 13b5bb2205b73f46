"""How a Kafka cluster is reached, and its failures in our own words."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from aiokafka import errors

from aidatalabs_services.data.kafka.ports import BrokerUnavailable
from aidatalabs_services.data.kafka.tasks import is_told_to_stop

_LOG = logging.getLogger(__name__)

# Modules of the library that say the same many times a second as long as a broker is away.
_CHATTY = (
    "aiokafka",
    "aiokafka.cluster",
    "aiokafka.conn",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.producer.sender",
)
_MOST_SAYINGS = 200
_PART_SECONDS = 1.0
Closing: TypeAlias = Callable[[], Awaitable[object]]


class OnceInAWhile(logging.Filter):
    """Lets each saying through once in so many seconds, whatever is filled into it."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is let through."""
        saying, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._said.get(saying, -self._seconds) < self._seconds:
            return False
        if len(self._said) >= _MOST_SAYINGS:
            self._said.clear()
        self._said[saying] = now
        return True


_ONCE = OnceInAWhile(30.0)


def quieten_library() -> None:
    """Has the library log each failure now and then; our own words say it as well."""
    for name in _CHATTY:
        logging.getLogger(name).addFilter(_ONCE)


@dataclass(frozen=True)
class KafkaConnection:
    """Addresses (`host:port,…`), protocol and credentials of a cluster; `request_seconds` bounds each
    request.
    """

    servers: str
    protocol: str = "PLAINTEXT"
    mechanism: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    request_seconds: float = 10.0

    def arguments(self) -> dict[str, Any]:
        """What every client of the library is made with."""
        found: dict[str, Any] = {
            "bootstrap_servers": self.servers.split(","),
            "client_id": "aidatalabs-data",
            "request_timeout_ms": int(self.request_seconds * 1000),
            "security_protocol": self.protocol,
        }
        if "SASL" in self.protocol:
            found |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        if "SSL" in self.protocol:
            found["ssl_context"] = self._tls()
        return found

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority) if self.authority else None)
        if self.certificate is not None:
            context.load_cert_chain(str(self.certificate), str(self.key) if self.key else None)
        return context


@asynccontextmanager
async def speaking(seconds: float) -> AsyncIterator[None]:
    """Turns whatever the library says of a cluster that does not answer, and silence for so long, into
    BrokerUnavailable.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except (errors.KafkaError, OSError, TimeoutError) as error:
        raise BrokerUnavailable(type(error).__name__) from error
    except asyncio.CancelledError as error:
        if is_told_to_stop():
            raise
        raise BrokerUnavailable("the library gave a wait up") from error


async def shut(stop: Closing, *parts: Closing, seconds: float = 3.0) -> None:
    """Ends a client of the library, in a few seconds and whatever it says.

    Where its own `stop` fails, takes `seconds` or is given up by a task of the library, its `parts` are
    ended one by one, the connections last: tasks and sockets would be there for good otherwise. If this task
    is told to stop meanwhile, it does so after that.
    """
    told = False
    for close in (stop, *parts):
        try:
            async with asyncio.timeout(seconds if close is stop else _PART_SECONDS):
                await close()
            if close is stop:
                break
        except asyncio.CancelledError:
            told |= is_told_to_stop()
        except Exception as error:  # noqa: BLE001 - what matters of it is over
            _LOG.debug("a client did not end by itself (%s)", type(error).__name__)
    if told:
        raise asyncio.CancelledError
