"""Asks an OpenAI-compatible server, and keeps every reply on disk."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from research.common.errors import InputError
from research.common.hashing import canonical
from research.evaluation.answer_sources.rate_limit import RateLimit
from research.evaluation.answer_sources.reply import LONGEST, EndpointReply, parse_reply
from research.evaluation.answer_sources.reply_cache import ReplyCache, reply_file

HIDDEN = "***"  # in place of the key
NO_KEY = "none"  # sent to a server that needs no key, since the package requires one

RequestReport = Callable[[int, int], None]  # (answered requests, all requests)


@dataclass(frozen=True)
class EndpointClient:
    """Sends requests to a server, each at most once as long as its reply is cached.

    Attributes: see `Endpoint`.
    """

    address: str
    model: str
    key: str | None = field(repr=False)
    timeout: float
    retries: int
    parallel: int
    per_minute: float | None
    cache: Path

    def replies(
        self, bodies: Sequence[Mapping[str, Any]], report: RequestReport
    ) -> list[EndpointReply]:
        """The reply to each request, from the cache or from the server.

        Another process that asks the same model waits meanwhile, so that no request is sent twice
        and the limits hold for all. Raises InputError where the server fails; the replies until
        then are cached.
        """
        keys = [canonical(body) for body in bodies]
        with self._cache.open() as cached:
            missing = {
                key: body for key, body in zip(keys, bodies, strict=True) if key not in cached
            }
            self._ask(list(missing.values()), len(keys), report)
            return [cached[key] for key in keys]

    def _ask(self, bodies: Sequence[Mapping[str, Any]], total: int, report: RequestReport) -> None:
        """Sends the requests; the first error cancels those that have not begun."""
        limit = RateLimit(self.per_minute)
        with ThreadPoolExecutor(self.parallel) as pool:
            futures = [pool.submit(self._request, body, limit) for body in bodies]
            try:
                for done, future in enumerate(as_completed(futures), total - len(bodies) + 1):
                    future.result()
                    report(done, total)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _request(self, body: Mapping[str, Any], limit: RateLimit) -> None:
        """Sends one request and caches the reply."""
        limit.wait()
        begun = time.perf_counter()
        content = self._send(body)
        seconds = round(time.perf_counter() - begun, 4)
        self._cache.add(body, parse_reply(content, self.address, seconds))

    def _send(self, body: Mapping[str, Any]) -> str:
        """The body of the server's reply; raises InputError where it does not reply."""
        import openai

        rest = {name: value for name, value in body.items() if name not in ("model", "messages")}
        try:
            reply = self._client.chat.completions.with_raw_response.create(
                model=body["model"], messages=body["messages"], extra_body=rest
            )
            return self._hide(reply.text)
        except openai.APITimeoutError:
            allowed = f"no reply within {self.timeout:g} seconds, {self._attempts}"
        except openai.APIConnectionError as error:
            cause = type(error.__cause__).__name__ if error.__cause__ else type(error).__name__
            allowed = f"the server cannot be reached ({cause}), {self._attempts}"
        except openai.APIStatusError as error:
            message = self._hide(" ".join(error.response.text.split()))[:LONGEST]
            allowed = f"the server refuses with status {error.status_code}: {message or 'no text'}"
        except openai.OpenAIError as error:
            allowed = f"the request failed ({type(error).__name__})"
        # Without the cause, whose message may have the key.
        raise InputError("endpoint", self.address, allowed) from None

    @property
    def _attempts(self) -> str:
        return f"{self.retries + 1} attempt{'s' if self.retries else ''}"

    def _hide(self, text: str) -> str:
        """The text without the key."""
        return text.replace(self.key, HIDDEN) if self.key else text

    @cached_property
    def _client(self) -> Any:
        import openai

        # It pauses before each further attempt, longer each time or as long as the server says.
        return openai.OpenAI(
            base_url=self.address,
            api_key=self.key or NO_KEY,
            timeout=self.timeout,
            max_retries=self.retries,
        )

    @cached_property
    def _cache(self) -> ReplyCache:
        return ReplyCache(self.cache / reply_file(self.address, self.model))


def read_key(variable: str | None) -> str | None:
    """The key in an environment variable, which no message shows; None for no variable.

    Raises InputError for a variable that is not set, and for a value that no key has.
    """
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        allowed = "this environment variable is not set; None is for a server without a key"
        raise InputError("endpoint.key", variable, allowed)
    if not (key.isascii() and key.isprintable()):
        allowed = "the value of this variable has characters that no key has"
        raise InputError("endpoint.key", variable, allowed)
    return key
