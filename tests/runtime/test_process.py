"""What a process has set: by `prepare` what running needs, by imports nothing."""

import os
import subprocess
import sys

PREPARED = """
import gc, logging, sys
from research.runtime.process import prepare
prepare()
prepare()
assert gc.get_threshold()[0] == 50_000
assert not {"jax", "transformers"} & set(sys.modules)
import transformers
logger = logging.getLogger("transformers")
[logger.warning(message) for message in ("PyTorch was not found. No", "something else")]
"""

# The packages of others come first: what they set is theirs.
IMPORTED = """
import ast, gc, importlib, logging, os, pkgutil, signal, sys, warnings
from importlib.util import find_spec
from pathlib import Path
import jax
from jax._src import monitoring

folder = Path(find_spec("research").origin).parent
# The only ones that need PyTorch.
OTHER_SIDE = {
    ".".join(file.relative_to(folder.parent).with_suffix("").parts)
    for file in folder.rglob("studies/**/peft_*.py")
}
for file in folder.rglob("*.py"):
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if name.split(".")[0] not in ("research", "torch", "peft"):
                importlib.import_module(name)

def settings():
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    return {
        "environment": dict(os.environ),
        "garbage collection": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()),
        "logging": {
            logger.name: (logger.level, list(logger.filters), list(logger.handlers))
            for logger in loggers
            if isinstance(logger, logging.Logger)
        },
        "event listeners": monitoring.get_event_listeners(),
        "duration listeners": monitoring.get_event_duration_listeners(),
        "jax": dict(jax.config.values),
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "warnings": list(warnings.filters),
        "path": list(sys.path),
    }

looked_up = []
sys.addaudithook(lambda event, args: looked_up.append(args[1]) if event == "ctypes.dlsym" else None)
before = settings()
import research
from research.interop.peft import load_adapter
modules = [module.name for module in pkgutil.walk_packages(research.__path__, "research.")]
for name in modules:
    if name not in OTHER_SIDE:
        importlib.import_module(name)
assert len(modules) > 200 and OTHER_SIDE <= set(modules)
after = settings()
loggers = before["logging"]
after["logging"] = {name: value for name, value in after["logging"].items() if name in loggers}
assert "mallopt" not in looked_up
print([name for name in before if before[name] != after[name]])
from research.runtime.process import prepare
prepare()
assert "mallopt" in looked_up or not sys.platform.startswith("linux")
print([name for name in before if before[name] != settings()[name]])
"""


def output(code: str) -> subprocess.CompletedProcess[str]:
    """What a process of its own says."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)


def test_only_the_message_about_pytorch_is_silenced():
    message = output(PREPARED).stderr
    assert "something else" in message and "PyTorch" not in message


def test_imports_change_nothing_in_the_process():
    """And `prepare` does, so that the test sees it."""
    by_imports, by_prepare = output(IMPORTED).stdout.strip().splitlines()
    assert by_imports == "[]"
    assert by_prepare == "['garbage collection', 'logging']"
