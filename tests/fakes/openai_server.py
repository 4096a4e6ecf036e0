"""A server on loopback that speaks OpenAI's wire format: chat completions, streamed or not, and embeddings.

It answers by itself with what fits the schema and is quoted right, and can be told to be slow, to limit the
rate, to break off, to refuse, to send what is no JSON, to lie about quotes, to fail, and to cut the
connection. It keeps every request. In a thread of a test (`FakeOpenAI`), or as a process of its own:

    python -m tests.fakes.openai_server --port 9999

Then a PUT to /fake/behaviours sets how it behaves, POST /fake/release lets held calls go on, and GET
/fake/requests answers what it was asked; all of them as JSON.
"""

import argparse
import base64
import json
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from tests.fakes import openai_answers as answers

Kind = Literal[
    "answer", "hold", "slow", "rate_limited", "truncated", "refusal", "invalid_json", "lying", "error", "cut"
]
#: Longest that a held call is held: a test that forgets it must not hang for ever.
_HELD_S = 60.0
_MODEL = "fake-model"


@dataclass(frozen=True)
class Behaviour:
    """How a call is answered.

    `times` calls behave so, None: all. `only` names the one schema that it is about (an insight type); empty:
    any call. `hold` waits for `release` and answers then.
    """

    kind: Kind
    times: int | None = None
    only: str = ""
    delay_s: float = 0.0
    retry_after_s: float = 0.0
    status: int = 500


@dataclass(frozen=True)
class Received:
    """One request: `name` is its schema's name (empty for plain text), `kind` how it was answered."""

    path: str
    name: str
    kind: Kind
    body: Mapping[str, Any]
    authorization: str = ""


@dataclass
class _State:
    """What the handler's threads share, under one lock."""

    behaviours: list[Behaviour] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    released: threading.Event = field(default_factory=threading.Event)
    answer: Callable[[Mapping[str, Any]], str] | None = None

    def take(self, path: str, body: Mapping[str, Any], authorization: str) -> Behaviour:
        """Note the request and answer how it is to be answered: the first behaviour that is about it."""
        described = answers.schema_of(body)
        name = described[0] if described else ""
        with self.lock:
            behaviour = self._next(name)
            self.received.append(Received(path, name, behaviour.kind, body, authorization))
        return behaviour

    def _next(self, name: str) -> Behaviour:
        for place, behaviour in enumerate(self.behaviours):
            if behaviour.only not in ("", name):
                continue
            if behaviour.times == 1:
                del self.behaviours[place]
            elif behaviour.times is not None:
                self.behaviours[place] = Behaviour(**{**asdict(behaviour), "times": behaviour.times - 1})
            return behaviour
        return Behaviour("answer")


class FakeOpenAI:
    """The server in a thread of its own; a context manager. `base_url` is what a client is given."""

    def __init__(self, port: int = 0) -> None:
        """Listen on the port of loopback, 0: any that is free."""
        self._state = _State()
        state = self._state

        class Handler(_Handler):
            shared = state

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> "FakeOpenAI":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def behave(self, *behaviours: Behaviour) -> None:
        """Behave so from now on; the first one that is about a call answers it. None: answer well."""
        with self._state.lock:
            self._state.released.clear()
            self._state.behaviours = list(behaviours)

    def release(self) -> None:
        """Let the calls go on that are held, and those that come."""
        self._state.released.set()

    def answer_with(self, answer: Callable[[Mapping[str, Any]], str] | None) -> None:
        """Have chat completions answered by a function of the request's body; None: by the server itself."""
        self._state.answer = answer

    def forget(self) -> None:
        """Forget the requests so far, and answer well."""
        self.behave()
        self.answer_with(None)
        with self._state.lock:
            self._state.received.clear()

    @property
    def requests(self) -> Sequence[Received]:
        """What it was asked so far."""
        with self._state.lock:
            return list(self._state.received)

    def counts(self) -> Counter[str]:
        """Answer how many chat completions were asked for, by the name of their schema."""
        return Counter(one.name for one in self.requests if one.path.endswith("/chat/completions"))


class _Handler(BaseHTTPRequestHandler):
    """One connection. `shared` is set by the server that it belongs to."""

    protocol_version = "HTTP/1.1"
    shared: _State

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the requests are kept."""

    def do_GET(self) -> None:
        """Answer the models, or what was asked so far."""
        if self.path == "/fake/requests":
            with self.shared.lock:
                self._send(200, {"requests": [asdict(one) for one in self.shared.received]})
        elif self.path == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": _MODEL, "object": "model"}]})
        else:
            self._fail(404, "there is no such page")

    def do_PUT(self) -> None:
        """Set the behaviours."""
        with self.shared.lock:
            self.shared.released.clear()
            self.shared.behaviours = [Behaviour(**one) for one in self._body()["behaviours"]]
        self._send(200, {})

    def do_POST(self) -> None:
        """Answer as a model does, or as it was told to."""
        body = self._body()
        if self.path == "/fake/release":
            self.shared.released.set()
            self._send(200, {})
            return
        behaviour = self.shared.take(self.path, body, self.headers.get("authorization", ""))
        self._wait(behaviour)
        if behaviour.kind == "rate_limited":
            self._fail(429, "too many requests", {"retry-after": f"{behaviour.retry_after_s:g}"})
        elif behaviour.kind == "error":
            self._fail(behaviour.status, "the server had an error")
        elif self.path == "/v1/embeddings":
            self._embeddings(body, behaviour)
        elif self.path == "/v1/chat/completions":
            self._completion(body, behaviour)
        else:
            self._fail(404, "there is no such page")

    def _wait(self, behaviour: Behaviour) -> None:
        if behaviour.kind == "hold":
            self.shared.released.wait(_HELD_S)
        time.sleep(behaviour.delay_s)

    def _completion(self, body: Mapping[str, Any], behaviour: Behaviour) -> None:
        prompt = answers.prompt_text(body)
        text = self._text(body, prompt, behaviour)
        reason = "length" if behaviour.kind == "truncated" else "stop"
        usage = _usage(answers.tokens(prompt), answers.tokens(text))
        if body.get("stream"):
            self._stream(body, behaviour, text, reason, usage)
            return
        message = {"role": "assistant", "content": text, "refusal": None}
        if behaviour.kind == "refusal":
            message |= {"content": None, "refusal": "I cannot help with that."}
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        answer = {**_head("chat.completion", body), "choices": [choice], "usage": usage}
        self._send(200, answer, cut=behaviour.kind == "cut")

    def _text(self, body: Mapping[str, Any], prompt: str, behaviour: Behaviour) -> str:
        described = answers.schema_of(body)
        if self.shared.answer is not None:
            text = self.shared.answer(body)
        elif described:
            text = json.dumps(answers.fitting(described[1], prompt, lying=behaviour.kind == "lying"))
        else:
            text = answers.LIE if behaviour.kind == "lying" else "The passages say what they say [1]."
        if behaviour.kind == "truncated":
            return text[: len(text) // 2]
        return "{'this is': no JSON" if behaviour.kind == "invalid_json" else text

    def _stream(
        self, body: Mapping[str, Any], behaviour: Behaviour, text: str, reason: str, usage: Mapping[str, int]
    ) -> None:
        """Send the answer in pieces as server-sent events."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        head = _head("chat.completion.chunk", body)
        key = "refusal" if behaviour.kind == "refusal" else "content"
        said = "I cannot help with that." if behaviour.kind == "refusal" else text
        for place, piece in enumerate(answers.pieces(said)):
            if behaviour.kind == "cut" and place:
                return
            delta = {"role": "assistant", key: piece} if place == 0 else {key: piece}
            self._event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        self._event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        if (body.get("stream_options") or {}).get("include_usage"):
            self._event({**head, "choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, value: Mapping[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")
        self.wfile.flush()

    def _embeddings(self, body: Mapping[str, Any], behaviour: Behaviour) -> None:
        given = body.get("input", "")
        texts = [given] if isinstance(given, str) else [str(text) for text in given]
        vectors = [answers.embedding(text, body.get("dimensions")) for text in texts]
        in_base64 = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": place, "embedding": _base64(vector) if in_base64 else vector}
            for place, vector in enumerate(vectors)
        ]
        count = sum(answers.tokens(text) for text in texts)
        usage = {"prompt_tokens": count, "total_tokens": count}
        answer = {"object": "list", "data": data, "model": body.get("model", _MODEL), "usage": usage}
        self._send(200, answer, cut=behaviour.kind == "cut")

    def _body(self) -> dict[str, Any]:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        value = json.loads(raw or b"{}")
        assert isinstance(value, dict)
        return value

    def _fail(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        error = {"message": message, "type": "fake_error", "param": None, "code": None}
        self._send(status, {"error": error}, headers)

    def _send(
        self, status: int, value: object, headers: Mapping[str, str] | None = None, *, cut: bool = False
    ) -> None:
        raw = json.dumps(value).encode()
        try:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            for name, text in (headers or {}).items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(raw[: len(raw) // 2] if cut else raw)
        except ConnectionError:
            # The caller has gone, as one does that was killed.
            self.close_connection = True
        self.close_connection = self.close_connection or cut


def _head(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    model = body.get("model", _MODEL)
    return {"id": "chatcmpl-fake", "object": kind, "created": 1_700_000_000, "model": model}


def _usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def _base64(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    with FakeOpenAI(parser.parse_args().port) as server:
        print(f"serving {server.base_url}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
