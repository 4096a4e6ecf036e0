"""Other parsers of WhatsApp exports, installed for the benchmark alone, in a directory of their own.

Each runs in a process of its own, is timed inside it from the opening of the file to the last typed
message, and says how many messages it found.
"""

import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

_INSTALL_TIMEOUT_S = 300
_RUN_TIMEOUT_S = 300
_NPM_PARSER = "whatsapp-chat-parser@4.0.2"
_WHATSTK = "whatstk==0.9.1"

_NODE_SCRIPT = """
import fs from 'node:fs';
import { parseString } from 'whatsapp-chat-parser';
const start = process.hrtime.bigint();
const messages = parseString(fs.readFileSync(process.argv[2], 'utf8'));
const took = Number(process.hrtime.bigint() - start) / 1e9;
console.log(JSON.stringify({ messages: messages.length, duration_s: took }));
"""
_WHATSTK_SCRIPT = """
import json, sys, time
from whatstk import WhatsAppChat
start = time.perf_counter()
chat = WhatsAppChat.from_source(filepath=sys.argv[1])
took = time.perf_counter() - start
print(json.dumps({"messages": len(chat.df), "duration_s": took}))
"""


@dataclass(frozen=True)
class Run:
    """One run of a parser: what it said, and the most memory that its process had."""

    messages: int
    duration_s: float
    peak_memory_mb: float


@dataclass(frozen=True)
class Peer:
    """A parser that is installed: its name, and the command that reads a file."""

    name: str
    command: tuple[str, ...]


def timed(command: list[str], env: dict[str, str] | None = None) -> Run:
    """Run a command that prints `messages` and `duration_s`; raises RuntimeError when it fails."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, process_group=0
    )
    try:
        # It prints one line, which the pipe holds, so that its end can be waited for first.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.stdout is not None
        assert process.stderr is not None
        output, complaints = process.stdout.read(), process.stderr.read()
    finally:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{output}\n{complaints}")
    said = json.loads(output.splitlines()[-1])
    per_mb = 2**20 if sys.platform == "darwin" else 2**10
    return Run(said["messages"], said["duration_s"], usage.ru_maxrss / per_mb)


def npm_parser() -> Peer | str:
    """The parser from npm, or why it is not there."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return "npm is not installed"
    folder = _folder("npm")
    script = folder / "parse.mjs"
    if not script.exists():
        problem = _installed(
            [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), _NPM_PARSER]
        )
        if problem:
            return problem
        script.write_text(_NODE_SCRIPT)
    return Peer("npm whatsapp-chat-parser 4.0.2", (node, str(script)))


def whatstk() -> Peer | str:
    """The parser from PyPI, or why it is not there."""
    folder = _folder("whatstk")
    python, script = folder / "bin" / "python", folder / "parse.py"
    if not script.exists():
        venv.create(folder, with_pip=True)
        problem = _installed([str(python), "-m", "pip", "install", "--quiet", _WHATSTK])
        if problem:
            return problem
        script.write_text(_WHATSTK_SCRIPT)
    return Peer("whatstk 0.9.1", (str(python), str(script)))


def _folder(name: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "holdfast-bench" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _installed(command: list[str]) -> str:
    """Why a command failed; empty when it did not."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False)
    return f"{command[0]} failed: {done.stderr.strip()[-200:]}" if done.returncode else ""
