"""The process that renders templates; `research.tasks.lm_eval.template` starts it by its path.

It reads one JSON value per line from the standard input and writes one per line. It imports nothing
of this project, so that it starts fast. A template that takes too long ends the process.
"""

import ast
import contextlib
import json
import re
import resource
import signal
import sys
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, UndefinedError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment


def regex_replace(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    """`re.sub` as a filter, as lm-evaluation-harness defines it."""
    return re.sub(pattern, replacement, text, count=count)


ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
ENVIRONMENT.filters["regex_replace"] = regex_replace
compiled = lru_cache(maxsize=1000)(ENVIRONMENT.from_string)


class Refused(Exception):
    """A template or its result is refused, for this reason."""


def render(text: str, columns: dict[str, Any], most: int) -> str:
    """A rendered template. Raises Refused for more than `most` characters."""
    parts, size = [], 0
    for part in compiled(text).generate(columns):
        size += len(part)
        if size > most:
            raise Refused(f"it makes more than {most:,} characters")
        parts.append(part)
    return "".join(parts)


def literal(text: str) -> Any:
    """The value of a Python literal. Raises Refused for other text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise Refused(f"it makes {text[:200]!r}, which is no list of texts in Python") from error


def answer(request: dict[str, Any], most: int) -> Any:
    """The result of a request: the names of columns, a text, or the value of a literal."""
    text = request["template"]
    if request["kind"] == "names":
        return sorted(find_undeclared_variables(ENVIRONMENT.parse(text)))
    rendered = render(text, request["columns"], most)
    return literal(rendered) if request["kind"] == "literal" else rendered


def result(request: dict[str, Any], most: int) -> dict[str, Any]:
    """The result of a request, or the reason why there is none."""
    try:
        return {"value": answer(request, most)}
    except Refused as error:
        return {"reason": str(error)}
    except UndefinedError as error:
        return {"missing": str(error)}
    except TemplateError as error:
        return {"reason": f"it is no valid template ({error})"}
    except MemoryError:
        return {"reason": "it takes too much memory"}
    except RecursionError:
        return {"reason": "it calls itself too often"}
    except Exception as error:  # whatever an expression of the template raises
        return {"reason": f"{type(error).__name__}: {error}"}


def main(seconds: float, megabytes: int, most: int) -> None:
    """Answers requests, each in at most `seconds` of processor time."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks ends this one
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    with contextlib.suppress(OSError, ValueError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (megabytes * 2**20, megabytes * 2**20))
    for line in sys.stdin:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        reply = result(request, most)
        try:
            text = json.dumps(reply)
        except (TypeError, ValueError):
            text = json.dumps({"reason": "it makes a value that is neither text, number nor list"})
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
