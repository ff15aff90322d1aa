"""A language model on 127.0.0.1: a real HTTP server that answers what a test wrote for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from qa.reader.endpoint import Endpoint

DONE = b"data: [DONE]\n\n"
STREAM = {"content-type": "text/event-stream"}


@dataclass(frozen=True, slots=True)
class Request:
    """What the server was sent."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def messages(self) -> Sequence[Mapping[str, str]]:
        return self.body["messages"]

    @property
    def asked(self) -> str:
        """The last message: the passages and the question."""
        return self.messages[-1]["content"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server sends: bytes, and between them seconds to wait; then it closes.

    A ``status`` of 0 leaves out status line and headers: ``sent`` is all there is.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: STREAM)
    sent: Iterable[bytes | float] = ()


def event(piece: str, **more: Any) -> bytes:
    """One piece of a reply as it is streamed."""
    choice = {"index": 0, "delta": {"content": piece}, "finish_reason": None, **more}
    written = json.dumps({"choices": [choice]}, ensure_ascii=False)
    return b"data: " + written.encode("utf-8", "backslashreplace") + b"\n\n"


def says(*pieces: str) -> Reply:
    """A whole reply, as servers send it: role first, reason and usage at the end."""
    role = b'data: {"choices": [{"delta": {"role": "assistant", "content": null}}]}\n\n'
    usage = b'data: {"choices": [], "usage": {"completion_tokens": 9}}\n\n'
    end = event("", finish_reason="stop")
    return Reply(sent=[b": hello\n\n", role, *map(event, pieces), end, usage, DONE])


class ScriptedServer:
    """Sends each reply of its script in turn, the last one for good; keeps the requests.

    A reply may be a function of the request.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._script: list[Reply | Callable[[Request], Reply]] = [says("好。")]
        self._closing = threading.Event()
        self._server = _Quiet(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )

    def replies(self, *script: Reply | Callable[[Request], Reply]) -> None:
        self._script = list(script)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def endpoint(self, **settings: Any) -> Endpoint:
        return Endpoint(**{"url": f"{self.address}/v1", "model": "小模型", **settings})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                body = json.loads(self.rfile.read(length) or b"null")
                headers = {name.lower(): value for name, value in self.headers.items()}
                scripted.requests.append(Request(self.path, headers, body))
                script = scripted._script
                reply = script.pop(0) if len(script) > 1 else script[0]
                self._send(reply if isinstance(reply, Reply) else reply(scripted.requests[-1]))

            do_GET = do_POST  # What a redirect would make of it.

            def _send(self, reply: Reply) -> None:
                if reply.status:
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                for part in reply.sent:
                    if isinstance(part, bytes):
                        self.wfile.write(part)
                    elif scripted._closing.wait(part):
                        return

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that has gone is no error here."""
