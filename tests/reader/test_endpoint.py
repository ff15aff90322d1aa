"""Asking a language model over real HTTP: what it streams, and every way in which it can fail."""

import gzip
import json
import socket
import sys
import time
import traceback

import pytest

from qa.errors import EndpointError, InputError
from qa.reader import endpoint as module
from qa.reader.endpoint import Endpoint
from tests.reader.scripted import DONE, STREAM, Reply, ScriptedServer, event, says

KEY = "sk-0123456789abcdef"
ASKED = [{"role": "user", "content": "邻水县有几座桥?"}]


@pytest.fixture
def server():
    with ScriptedServer() as server:
        yield server


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Two further tries, at once; and no proxy of whoever runs the tests."""
    monkeypatch.setattr(module, "_PAUSES", (0.0, 0.0))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def failure(endpoint):
    """The pieces that came before the error, and the error."""
    pieces = []
    with pytest.raises(EndpointError) as caught:
        pieces.extend(endpoint.stream(ASKED))
    return pieces, caught.value


class TestReply:
    def test_comes_piece_by_piece(self, server):
        server.replies(says("邻水县", "有", "五座桥。", "[1]"))
        assert list(server.endpoint().stream(ASKED)) == ["邻水县", "有", "五座桥。", "[1]"]

    def test_a_piece_is_given_before_the_next_one_is_sent(self, server):
        server.replies(Reply(sent=[event("甲"), 60.0, event("乙"), DONE]))
        stream = server.endpoint().stream(ASKED)
        assert next(stream) == "甲"
        stream.close()

    def test_is_asked_for_as_the_protocol_says(self, server):
        list(server.endpoint(max_tokens=77).stream(ASKED))
        (request,) = server.requests
        assert request.path == "/v1/chat/completions"
        assert request.body == {
            "model": "小模型",
            "messages": ASKED,
            "stream": True,
            "temperature": 0.0,
            "max_tokens": 77,
        }

    def test_a_slash_after_the_address_changes_nothing(self, server):
        list(server.endpoint(url=f"{server.address}/v1/").stream(ASKED))
        assert server.requests[0].path == "/v1/chat/completions"

    @pytest.mark.parametrize(
        "sent",
        [
            [event("桥。").replace(b"\n", b"\r\n"), DONE.replace(b"\n", b"\r\n")],
            [event("桥。").replace(b"data: ", b"data:"), DONE],
            [b"event: message\nid: 7\n" + event("桥。"), DONE],
            [bytes([byte]) for byte in event("桥。") + DONE],  # Characters torn apart, too.
            [event("桥。", finish_reason="stop")],  # Some send no [DONE].
            [event("桥。", finish_reason="stop").rstrip(), b""],
            [event("桥。"), DONE, b"data: what comes after the end\n\n"],
        ],
    )
    def test_is_read_however_servers_write_it(self, server, sent):
        server.replies(Reply(sent=sent))
        assert "".join(server.endpoint().stream(ASKED)) == "桥。"

    @pytest.mark.parametrize(
        "odd",
        [
            b'data: {"choices": [{"delta": null, "finish_reason": null}]}\n\n',
            b'data: {"error": null, "choices": [{"delta": {"content": ""}}]}\n\n',
            b'data: {"choices": null, "usage": {}}\n\n',
            b'data: {"choices": [{"finish_reason": null}]}\n\n',
        ],
    )
    def test_an_event_without_text_is_no_error(self, server, odd):
        server.replies(Reply(sent=[odd, event("桥。"), DONE]))
        assert list(server.endpoint().stream(ASKED)) == ["桥。"]

    def test_a_reply_of_nothing_is_nothing(self, server):
        server.replies(Reply(sent=[DONE]))
        assert list(server.endpoint().stream(ASKED)) == []


class TestKey:
    def test_is_sent_as_a_bearer_token_and_nowhere_else(self, server):
        list(server.endpoint(key=KEY).stream(ASKED))
        (request,) = server.requests
        assert request.headers.pop("authorization") == f"Bearer {KEY}"
        assert KEY not in f"{request.path} {dict(request.headers)} {json.dumps(request.body)}"

    def test_without_one_no_header_is_sent(self, server):
        list(server.endpoint().stream(ASKED))
        assert "authorization" not in server.requests[0].headers

    def test_is_not_in_the_repr(self):
        shown = Endpoint("http://127.0.0.1:1", "甲", KEY)
        assert KEY not in f"{shown!r} {shown}"

    @pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 429, 500])
    def test_is_in_no_error_even_where_the_server_says_it_back(self, server, status):
        server.replies(Reply(status, {"x-key": KEY}, [f"invalid key: {KEY}".encode()]))
        _, error = failure(server.endpoint(key=KEY))
        assert KEY not in "".join(traceback.format_exception(error))

    def test_is_in_no_error_of_a_reply_that_is_no_json(self, server):
        server.replies(Reply(sent=[f'data: {{"{KEY}\n\n'.encode()]))
        _, error = failure(server.endpoint(key=KEY))
        assert KEY not in "".join(traceback.format_exception(error))

    @pytest.mark.parametrize(
        "key", [KEY + "\nX-Other: 1", KEY + "\x00", KEY + "密", KEY + "\ud800"]
    )
    def test_one_that_no_header_can_hold_is_an_error_without_it(self, server, key):
        with pytest.raises((EndpointError, InputError)) as caught:
            list(server.endpoint(key=key).stream(ASKED))
        assert KEY not in "".join(traceback.format_exception(caught.value))
        assert server.requests == []


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "message"),
        [
            (401, "不接受所给的密钥(HTTP 401)"),
            (403, "不接受所给的密钥(HTTP 403)"),
            (404, "地址或名称不对(HTTP 404)"),
            (400, "不接受这个请求(HTTP 400)"),
            (418, "不接受这个请求(HTTP 418)"),
        ],
    )
    def test_are_told_and_not_tried_again(self, server, status, message):
        server.replies(Reply(status, {}, [b"x" * 9]))
        _, error = failure(server.endpoint())
        assert message in str(error)
        assert error.exit_code == 11
        assert len(server.requests) == 1

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_a_redirect_is_not_followed(self, server, status):
        with ScriptedServer() as elsewhere:
            server.replies(Reply(status, {"location": f"{elsewhere.address}/v1/chat/completions"}))
            _, error = failure(server.endpoint(key=KEY))
            assert f"HTTP {status}" in str(error)
            assert elsewhere.requests == []
        assert len(server.requests) == 1

    def test_an_error_in_the_stream_is_told(self, server):
        server.replies(Reply(sent=[event("甲"), b'data: {"error": {"message": "full"}}\n\n', DONE]))
        _, error = failure(server.endpoint())
        assert "报告了错误" in str(error)


class TestTryingAgain:
    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    def test_a_busy_server_is_asked_again(self, server, status):
        server.replies(Reply(status, {}), Reply(status, {}), says("桥。"))
        assert list(server.endpoint().stream(ASKED)) == ["桥。"]
        assert len(server.requests) == 3
        assert server.requests[0].body == server.requests[2].body

    def test_it_gives_up_after_the_tries(self, server):
        server.replies(Reply(503, {}))
        _, error = failure(server.endpoint())
        assert "HTTP 503" in str(error)
        assert len(server.requests) == 3

    @pytest.mark.parametrize("status", [429, 503])
    def test_it_waits_as_long_as_the_server_asks(self, server, status):
        server.replies(Reply(status, {"retry-after": "1"}), says("桥。"))
        began = time.monotonic()
        assert list(server.endpoint().stream(ASKED)) == ["桥。"]
        assert 1 <= time.monotonic() - began < 5

    @pytest.mark.parametrize(
        "after", ["", "soon", "-5", "Wed, 21 Oct 2015 07:28:00 GMT", "0", "²", "٠"]
    )
    def test_a_wait_that_cannot_be_read_is_none(self, server, after):
        server.replies(Reply(429, {"Retry-After": after.encode().decode("latin-1")}), says("桥。"))
        assert list(server.endpoint().stream(ASKED)) == ["桥。"]

    @pytest.mark.parametrize("after", ["5", "99999999999999999999", "9" * 400])
    def test_it_does_not_wait_past_its_time(self, server, after):
        server.replies(Reply(429, {"retry-after": after}), says("桥。"))
        began = time.monotonic()
        _, error = failure(server.endpoint(seconds=2.0))
        assert "HTTP 429" in str(error)
        assert time.monotonic() - began < 2
        assert len(server.requests) == 1

    def test_nothing_is_tried_again_once_text_was_given(self, server):
        server.replies(Reply(headers={"content-length": "9999"}, sent=[event("甲")]), says("桥。"))
        pieces, _ = failure(server.endpoint())
        assert pieces == ["甲"]
        assert len(server.requests) == 1


class TestTooSlow:
    def test_a_server_that_says_nothing(self, server):
        server.replies(Reply(0, sent=[60.0]))
        began = time.monotonic()
        _, error = failure(server.endpoint(seconds=0.4))
        assert "没有答完" in str(error)
        assert time.monotonic() - began < 3

    def test_a_server_that_stops_in_mid_reply(self, server):
        server.replies(Reply(sent=[event("甲"), 60.0]))
        began = time.monotonic()
        pieces, _ = failure(server.endpoint(seconds=0.4))
        assert pieces == ["甲"]
        assert time.monotonic() - began < 3

    @pytest.mark.parametrize("sent", [event("甲"), b": still here\n\n", b" "])
    def test_a_server_that_dribbles_events(self, server, sent):
        server.replies(Reply(sent=[sent, 0.1] * 60))
        began = time.monotonic()
        failure(server.endpoint(seconds=0.5))
        assert time.monotonic() - began < 3

    def test_a_server_that_dribbles_headers(self, server):
        lines = [part for n in range(30) for part in (f"x-{n}: 1\r\n".encode(), 0.1)]
        server.replies(Reply(0, sent=[b"HTTP/1.1 200 OK\r\n", *lines]))
        began = time.monotonic()
        failure(server.endpoint(seconds=0.5))
        assert time.monotonic() - began < 2

    def test_a_server_that_is_busy_for_good(self, server, monkeypatch):
        monkeypatch.setattr(module, "_PAUSES", (0.2,) * 50)
        server.replies(Reply(503, {}))
        began = time.monotonic()
        failure(server.endpoint(seconds=0.7))
        assert time.monotonic() - began < 2


class TestBrokenOff:
    @pytest.mark.parametrize(
        "headers", [STREAM, {"content-length": "9999"}, {"transfer-encoding": "chunked"}]
    )
    def test_what_came_before_is_given(self, server, headers):
        sent = event("邻水县") + event("有")
        if "transfer-encoding" in headers:
            sent = b"%x\r\n%s\r\n" % (len(sent), sent)
            head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            server.replies(Reply(0, sent=[head, sent]))
        else:
            server.replies(Reply(headers=headers, sent=[sent]))
        pieces, _ = failure(server.endpoint())
        assert pieces == ["邻水县", "有"]

    @pytest.mark.parametrize(
        "sent",
        [
            [],
            [b""],
            [event("甲")[:-9]],
            [b"data: "],
            [b'{"choices": [{"message": {"content": "one whole"}, "finish_reason": "stop"}]}'],
            [b"<html><body>Welcome</body></html>"],
        ],
    )
    def test_a_body_that_is_no_whole_stream(self, server, sent):
        server.replies(Reply(sent=sent))
        failure(server.endpoint())

    @pytest.mark.parametrize(
        "raw", [b"", b"\x00\xff\n\n", b"HTTP/9.9 what\r\n\r\n", b"SSH-2.0\r\n"]
    )
    def test_what_is_no_http(self, server, raw):
        server.replies(Reply(0, sent=[raw]))
        failure(server.endpoint())


class TestNonsense:
    @pytest.mark.parametrize(
        "content",
        [
            b"{",
            b"",
            b"nonsense",
            b"[]",
            b"5",
            b"null",
            b'"text"',
            b"{}",
            b'{"choices": 7}',
            b'{"choices": {"0": 1}}',
            b'{"choices": ["x"]}',
            b'{"choices": [{"delta": "x"}]}',
            b'{"choices": [{"delta": {"content": 5}}]}',
            b'{"choices": [{"delta": {"content": ["x"]}}]}',
            b'{"choices": [{"delta": {"content": {"x": 1}}}]}',
            b"[" * 100_000,
            b'{"":' * 100_000,
            b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b"9" * 100_000,
            b'{"choices": [{"delta": {"content": "' + b"9" * 10,
        ],
    )
    def test_an_event_that_is_no_reply(self, server, content):
        server.replies(Reply(sent=[event("甲"), b"data: " + content + b"\n\n", DONE]))
        pieces, error = failure(server.endpoint())
        assert "不是合用的 JSON" in str(error)
        assert pieces == ["甲"]

    @pytest.mark.parametrize(
        "raw", [b"\xff\xfe", "桥。".encode()[:-1], "桥".encode("gbk"), b"\xed\xa0\x80"]
    )
    def test_an_event_that_is_not_utf_8(self, server, raw):
        server.replies(Reply(sent=[event("甲"), b"data: " + raw + b"\n\n", DONE]))
        with pytest.raises(EndpointError, match="不是 UTF-8"):
            list(server.endpoint().stream(ASKED))

    @pytest.mark.parametrize(
        "sent",
        [
            [event("字" * 1000)] * 3500,  # 10 MB.
            [b"data: ", *[b"x" * 100_000] * 100],
            [b": nothing\n" * 10_000] * 100,
        ],
    )
    def test_ten_megabytes(self, server, sent):
        server.replies(Reply(sent=sent))
        began = time.monotonic()
        with pytest.raises(EndpointError, match="太大"):
            list(server.endpoint().stream(ASKED))
        assert time.monotonic() - began < 10

    def test_ten_megabytes_that_come_packed(self, server):
        packed = gzip.compress(event("字" * 1000) * 3500)
        server.replies(Reply(headers={"content-encoding": "gzip"}, sent=[packed]))
        with pytest.raises(EndpointError, match="太大"):
            list(server.endpoint().stream(ASKED))

    def test_ten_megabytes_with_a_refusal_are_not_read(self, server):
        server.replies(Reply(400, {}, [b"x" * 100_000] * 100))
        _, error = failure(server.endpoint())
        assert "HTTP 400" in str(error)

    def test_what_only_says_that_it_is_packed(self, server):
        server.replies(Reply(headers={"content-encoding": "gzip"}, sent=[event("甲"), DONE]))
        failure(server.endpoint())


class TestAddress:
    def test_nobody_listens(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
            _, error = failure(Endpoint(url, "甲"))
        assert f"连不上语言模型:{url}" in str(error)

    @pytest.mark.parametrize(
        "url", ["", "127.0.0.1:8080", "localhost:8080/v1", "ftp://127.0.0.1", "file:///etc/passwd"]
    )
    def test_one_without_http_is_refused_with_advice(self, url):
        with pytest.raises(InputError) as caught:
            Endpoint(url, "甲")
        assert f"应以 http:// 或 https:// 开头:{url}" in str(caught.value)
        assert "--llm http://127.0.0.1:8080/v1" in caught.value.advice

    @pytest.mark.parametrize(
        "url",
        ["http://", "http://[::1", "http://127.0.0.1:99999", "http://127.0.0.1:x", "http://a b",
         "http://" + "a" * 300, "http://\ud800", "http://甲..乙", "http://127.0.0.1:1/\x00"],
    )  # fmt: skip
    def test_one_that_leads_nowhere_is_an_error_of_this_package(self, url):
        with pytest.raises((EndpointError, InputError)):
            list(Endpoint(url, "甲", seconds=5).stream(ASKED))

    def test_a_model_needs_a_name(self):
        with pytest.raises(InputError, match="没有写语言模型的名称") as caught:
            Endpoint("http://127.0.0.1:8080/v1", "")
        assert "--llm-model" in caught.value.advice

    def test_what_goes_to_this_machine_goes_through_no_proxy(self, server, monkeypatch):
        with ScriptedServer() as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.address)
            monkeypatch.setenv("http_proxy", proxy.address)
            assert list(server.endpoint(key=KEY).stream(ASKED)) == ["好。"]
            assert proxy.requests == []
        assert len(server.requests) == 1


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(InputError, match=r"httpx2") as caught:
        list(Endpoint("http://127.0.0.1:1", "甲").stream(ASKED))
    assert "wenju[llm]" in caught.value.advice
