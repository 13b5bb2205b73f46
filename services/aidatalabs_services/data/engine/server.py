"""The engine's HTTP server: one thread a connection, ClickHouse's paths, headers and errors."""

from __future__ import annotations

import hmac
import json
import logging
import socket
import threading
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress

from aidatalabs_services.data.engine.calls import read_call
from aidatalabs_services.data.engine.execution import Answer, Executor
from aidatalabs_services.data.engine.faults import (
    AUTHENTICATION_FAILED,
    NETWORK_ERROR,
    TOO_MANY_QUERIES,
    UNKNOWN_EXCEPTION,
    EngineFault,
)
from aidatalabs_services.data.engine.http1 import BadRequest, ClientGone, HttpConnection, Request, head_of
from aidatalabs_services.data.engine.limits import EngineLimits

_LOG = logging.getLogger(__name__)
USER = "default"


class EngineServer:
    """Serves `executor` on a socket that listens already; `serve` runs until `close` is called."""

    def __init__(
        self, listener: socket.socket, executor: Executor, password: str, limits: EngineLimits
    ) -> None:
        self._listener = listener
        self._executor = executor
        self._secret = f"{USER}:{password}".encode()
        self._limits = limits
        self._places = threading.BoundedSemaphore(limits.max_connections)
        self._closed = False

    def serve(self) -> None:
        """Accepts connections; the one beyond `max_connections` is answered 503 and closed."""
        while not self._closed:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                if self._closed:
                    return
                threading.Event().wait(0.05)  # out of descriptors: others will end
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not self._places.acquire(blocking=False):
                self._turn_away(sock)
                continue
            threading.Thread(target=self._converse, args=(sock,), name="client", daemon=True).start()

    def close(self) -> None:
        """Takes no more connections; those being served go on."""
        self._closed = True
        self._listener.close()

    def _turn_away(self, sock: socket.socket) -> None:
        fault = EngineFault(TOO_MANY_QUERIES, "Too many connections; try again later", status=503)
        body = fault.body(self._executor.storage.version)
        try:
            sock.settimeout(0.1)
            sock.sendall(head_of(503, _exception_headers(fault), len(body), keep_alive=False) + body)
        except OSError:
            pass
        finally:
            sock.close()

    def _converse(self, sock: socket.socket) -> None:
        """One connection from its first request to its last."""
        http = HttpConnection(sock, self._limits)
        linger = False
        try:
            while not self._closed:
                request = http.read_request()
                if request is None:
                    break
                answer = Answer(http, request.keep_alive)
                self._serve_one(request, answer)
                if not answer.keep_alive:
                    linger = True
                    break
        except BadRequest as error:
            linger = True
            self._refuse(http, error)
        except (ClientGone, OSError):
            pass
        except Exception:  # noqa: BLE001 - one connection's bug must not end the server
            _LOG.exception("a connection failed")
        finally:
            http.close(linger=linger)
            self._places.release()

    def _serve_one(self, request: Request, answer: Answer) -> None:
        """Answers one request, whatever happens; raises only ClientGone and BadRequest."""
        try:
            self._route(request, answer)
        except EngineFault as fault:
            self._send_fault(answer, fault)
        except (ClientGone, BadRequest):
            raise
        except MemoryError:
            self._send_fault(
                answer, EngineFault((241, "MEMORY_LIMIT_EXCEEDED"), "The engine is out of memory")
            )
        except Exception:  # noqa: BLE001 - the client gets an error, the log the cause
            _LOG.exception("a request failed")
            self._send_fault(answer, EngineFault(UNKNOWN_EXCEPTION, "The engine failed on this request"))

    def _route(self, request: Request, answer: Answer) -> None:
        if request.method in ("GET", "HEAD") and request.path == "/ping":
            answer.whole(200, {"Content-Type": "text/plain"}, b"" if request.method == "HEAD" else b"Ok.\n")
            return
        if request.method == "GET" and request.path == "/" and "query" not in request.params:
            answer.whole(200, {"Content-Type": "text/plain"}, b"Ok.\n")
            return
        if not self._is_known(request.headers):
            raise EngineFault(
                AUTHENTICATION_FAILED,
                "default: Authentication failed: password is incorrect, or there is no user with such name",
            )
        if request.path == "/status" and request.method == "GET":
            body = json.dumps({"running": len(self._executor.running)}).encode()
            answer.whole(200, {"Content-Type": "application/json"}, body)
            return
        if request.path != "/" or request.method not in ("GET", "POST"):
            status = 404 if request.path != "/" else 405
            raise EngineFault(NETWORK_ERROR, "There is no such resource; send queries to /", status=status)
        call = read_call(request, answer.http.body(), self._limits)
        try:
            answer.keep_alive = answer.keep_alive and answer.http.is_between_requests()
            self._executor.run(call, answer)
        finally:
            call.close()

    def _is_known(self, headers: Mapping[str, str]) -> bool:
        """Whether the request carries this engine's user and password, compared in constant time."""
        if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
            given = f"{headers.get('x-clickhouse-user', USER)}:{headers.get('x-clickhouse-key', '')}".encode()
        else:
            scheme, _, word = headers.get("authorization", "").partition(" ")
            try:
                given = b64decode(word, validate=True) if scheme.lower() == "basic" else b""
            except ValueError:
                given = b""
        return hmac.compare_digest(given, self._secret)

    def _send_fault(self, answer: Answer, fault: EngineFault) -> None:
        if answer.begun:
            raise ClientGone("the answer has begun: hanging up is the only error left")
        answer.keep_alive = answer.keep_alive and answer.http.is_between_requests()
        headers = {
            **_exception_headers(fault),
            "X-ClickHouse-Timezone": self._executor.storage.timezone,
        }
        answer.whole(fault.status, headers, fault.body(self._executor.storage.version))

    def _refuse(self, http: HttpConnection, error: BadRequest) -> None:
        fault = EngineFault(NETWORK_ERROR, error.message, status=error.status)
        with suppress(ClientGone):
            Answer(http, keep_alive=False).whole(
                error.status, _exception_headers(fault), fault.body(self._executor.storage.version)
            )


def _exception_headers(fault: EngineFault) -> dict[str, str]:
    return {"Content-Type": "text/plain; charset=UTF-8", "X-ClickHouse-Exception-Code": str(fault.code)}
