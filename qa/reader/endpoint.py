"""A prompt in, the text of a language model out: any OpenAI-compatible endpoint, streamed."""

from __future__ import annotations

import json
import logging
import queue
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from qa.errors import EndpointError, InputError, QAError

if TYPE_CHECKING:
    import httpx2

_log = logging.getLogger(__name__)
_LARGEST = 1_000_000
"""Bytes of one reply: what passes it is no answer."""
_AGAIN = (429, 500, 502, 503, 504)
_PAUSES = (0.5, 2.0)
"""Seconds before each further try; a server may ask for up to ``_LONGEST_PAUSE``."""
_LONGEST_PAUSE = 10.0
LONGEST = 86_400.0
"""Seconds that may be waited for a reply, at most."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a language model is asked, and how much it may take.

    Attributes:
        url: Base address, such as ``http://127.0.0.1:8080/v1``.
        model: Name of the model, as the endpoint knows it.
        key: Sent as a bearer token where it is not ""; never shown.
        max_tokens: Of one reply.
        seconds: For one reply, further tries included.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    max_tokens: int = 600
    seconds: float = 120.0

    def __post_init__(self) -> None:
        """Check the address.

        Raises:
            InputError: It is not http or https, the model has no name, the key cannot be sent, or
                a limit makes no sense.
        """
        if not self.url.startswith(("http://", "https://")) or not _host(self.url):
            raise InputError(
                f"语言模型的地址应以 http:// 或 https:// 开头:{self.url}",
                "例如:--llm http://127.0.0.1:8080/v1",
            )
        if find_spec("httpx2") is None:
            raise InputError("用语言模型需要另外安装 httpx2。", "请运行:pip install 'wenju[llm]'")
        if re.search("[?#]|//[^/]*@", self.url):
            raise InputError(
                "语言模型的地址里不能有密码、? 或 #。", "密钥写进环境变量 WENJU_LLM_KEY。"
            )
        if not (self.key.isascii() and self.key.isprintable()):
            raise InputError("语言模型的密钥里有不能用的字符。", "请检查它有没有多余的换行。")
        if not (self.max_tokens >= 1 and 0 < self.seconds <= LONGEST):
            raise InputError(f"语言模型的限度不能用:{self.max_tokens} 词,{self.seconds} 秒。")
        if not self.model:
            raise InputError("没有写语言模型的名称。", "请加上 --llm-model 名称。")

    def stream(self, messages: Sequence[Mapping[str, str]]) -> Iterator[str]:
        """The reply, piece by piece.

        Args:
            messages: Each with "role" and "content".

        Raises:
            EndpointError: The endpoint cannot be reached, refuses, is too slow, breaks off, or
                sends what is no reply. The message does not hold the key.
        """
        deadline = time.monotonic() + self.seconds
        for number in range(len(_PAUSES) + 1):
            begun = False
            try:
                for piece in self._awaited(messages, deadline):
                    begun = True
                    yield piece
            except _Again as error:
                # What was given out already cannot be taken back.
                if begun or number == len(_PAUSES):
                    raise EndpointError(str(error)) from error
                pause = min(max(_PAUSES[number], error.after), _LONGEST_PAUSE)
                _log.info("语言模型 %s:%.1f 秒后再试", self.url, pause, exc_info=error)
                if time.monotonic() + pause > deadline:
                    raise EndpointError(str(error)) from error
                time.sleep(pause)
            else:
                return

    def _awaited(self, messages: Sequence[Mapping[str, str]], deadline: float) -> Iterator[str]:
        """One try, read by a thread of its own: no server outlasts the deadline."""
        arrived: queue.SimpleQueue[str | Exception | None] = queue.SimpleQueue()
        left_alone = threading.Event()

        def read() -> None:
            try:
                for piece in self._once(messages, deadline):
                    arrived.put(piece)
                    if left_alone.is_set():
                        return
                arrived.put(None)
            except (QAError, _Again) as error:
                arrived.put(error)
            except Exception as error:  # noqa: BLE001 - raised where it is awaited
                arrived.put(EndpointError(f"语言模型的连接出错({type(error).__name__})。"))

        threading.Thread(target=read, daemon=True).start()
        try:
            while True:
                try:
                    piece = arrived.get(timeout=max(0.0, deadline - time.monotonic()))
                except queue.Empty:
                    raise self._too_slow() from None
                if piece is None:
                    return
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            left_alone.set()

    def _too_slow(self) -> EndpointError:
        return EndpointError(f"语言模型 {self.seconds:g} 秒内没有答完。")

    def _once(self, messages: Sequence[Mapping[str, str]], deadline: float) -> Iterator[str]:
        body = {
            "model": self.model,
            "messages": list(messages),
            "stream": True,
            "temperature": 0.0,
            "max_tokens": self.max_tokens,
        }
        started = time.monotonic()
        with self._sent(body, deadline) as response:
            status, waited = response.status_code, time.monotonic() - started
            _log.info("语言模型 %s(%s):HTTP %d,%.2f 秒", self.url, self.model, status, waited)
            if response.status_code != 200:
                _refused(response)
            reason = ""
            for content in _events(response):
                if content == "[DONE]":
                    reason = reason or "stop"
                    break
                piece, ended = _piece(content)
                reason = ended or reason
                if piece:
                    yield piece
            _log.info("语言模型说完,共 %.2f 秒", time.monotonic() - started)
            if not reason:
                raise EndpointError("语言模型的回答没有说完就断了。")
            if reason == "length":
                raise EndpointError("语言模型写到字数上限,没有写完。")

    @contextmanager
    def _sent(self, body: Mapping[str, Any], deadline: float) -> Iterator[httpx2.Response]:
        import httpx2

        try:
            client = _client(self.url, deadline)
        except (ImportError, OSError, ValueError) as error:
            raise EndpointError(f"代理或证书的设置不能用({error})。") from error
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            with (
                client,
                client.stream(
                    "POST",
                    self.url.rstrip("/") + "/chat/completions",
                    json=body,
                    headers=headers,
                ) as response,
            ):
                yield response
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise _Again(f"连不上语言模型:{self.url}") from error
        except httpx2.TimeoutException as error:
            raise self._too_slow() from error
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError, ValueError) as error:
            raise EndpointError(f"语言模型的连接断了({type(error).__name__})。") from error


def _host(url: str) -> str:
    """The host of an address; "" where it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


class _Again(Exception):
    """What may go well the next time."""

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


def _client(url: str, deadline: float) -> httpx2.Client:
    import httpx2

    left = max(0.1, deadline - time.monotonic())
    # Redirects are not followed: one would carry the passages, and the key, to where nobody sent
    # them. Nor does what is asked of this machine go through a proxy.
    own = _host(url) in ("localhost", "127.0.0.1", "::1")
    timeout = httpx2.Timeout(left, connect=min(10.0, left))
    return httpx2.Client(timeout=timeout, trust_env=not own)


def _refused(response: httpx2.Response) -> None:
    status = response.status_code
    if status in _AGAIN:
        after = response.headers.get("retry-after", "")
        raise _Again(
            f"语言模型现在忙或出错(HTTP {status})。", float(after) if after.isdecimal() else 0
        )
    if status in (401, 403):
        raise EndpointError(f"语言模型不接受所给的密钥(HTTP {status})。")
    if status == 404:
        raise EndpointError("语言模型的地址或名称不对(HTTP 404)。")
    raise EndpointError(f"语言模型不接受这个请求(HTTP {status})。")


def _events(response: httpx2.Response) -> Iterator[str]:
    """The ``data:`` lines of an event stream."""
    rest, size = b"", 0
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > _LARGEST:
            raise EndpointError(f"语言模型的回答太大(超过 {_LARGEST // 1000} KB)。")
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield _text(line)
    if rest.startswith(b"data:"):
        yield _text(rest)


def _text(line: bytes) -> str:
    try:
        return line[5:].strip().decode("utf-8")
    except UnicodeDecodeError as error:
        raise EndpointError("语言模型的回答不是 UTF-8。") from error


def _piece(content: str) -> tuple[str, str]:
    """The text of one event, and why the reply ends with it; "" where it goes on."""
    try:
        event = json.loads(content)
        if event.get("error"):
            raise EndpointError("语言模型报告了错误。")
        if not event["choices"]:  # Usage, at the end.
            return "", ""
        choice = event["choices"][0]
        piece = (choice.get("delta") or {}).get("content") or ""
        piece = "" + piece  # Text, or a TypeError.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EndpointError("语言模型的回答不是合用的 JSON。") from error
    return piece, str(choice.get("finish_reason") or "")
