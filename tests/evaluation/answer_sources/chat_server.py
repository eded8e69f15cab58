"""A server on this machine that speaks the protocol of chat completions."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Response = tuple[int, str]  # (status, body)
SOON = {"retry-after-ms": "1"}  # a client asks again at once


def completion(text: Any, prompt_tokens: int = 20, answer_tokens: int = 2) -> str:
    """A chat completion with this text."""
    message = {"role": "assistant", "content": text}
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": answer_tokens,
        "total_tokens": prompt_tokens + answer_tokens,
    }
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": "1", "object": "chat.completion", "created": 0, "model": "tiny"}
    return json.dumps({**head, "choices": [choice], "usage": usage})


class ChatServer:
    """A running server.

    Attributes:
        respond: the response to a request and its number, from 0.
        requests: the bodies of all requests.
        keys: the Authorization header of each.
        address: its base URL.
    """

    def __init__(self, server: ThreadingHTTPServer):
        self.respond: Callable[[dict[str, Any], int], Response] = lambda body, number: (
            200,
            completion("positive"),
        )
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.address = f"http://127.0.0.1:{server.server_port}/v1"
        self._lock = threading.Lock()

    def take(self, path: str, key: str | None, body: bytes) -> Response:
        with self._lock:
            number = len(self.requests)
            self.requests.append(json.loads(body))
            self.keys.append(key)
        if path != "/v1/chat/completions":
            return 404, "no such page"
        return self.respond(self.requests[number], number)


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """Runs a server until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, text = running.take(self.path, self.headers["Authorization"], body)
            content = text.encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                for name, value in SOON.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                pass  # the client has given up

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running = ChatServer(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
