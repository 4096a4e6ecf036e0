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
const before = process.cpuUsage();
const messages = parseString(fs.readFileSync(process.argv[2], 'utf8'));
const took = Number(process.hrtime.bigint() - start) / 1e9;
const cpu = process.cpuUsage(before);
console.log(JSON.stringify({ messages: messages.length, duration_s: took }));
console.log(JSON.stringify({ cpu_s: (cpu.user + cpu.system) / 1e6 }));
console.log(fs.readFileSync('/proc/self/status', 'utf8').match(/VmHWM:.*/)[0]);
"""
_WHATSTK_SCRIPT = """
import json, sys, time
from whatstk import WhatsAppChat
start, before = time.perf_counter(), time.process_time()
chat = WhatsAppChat.from_source(filepath=sys.argv[1])
took, cpu = time.perf_counter() - start, time.process_time() - before
print(json.dumps({"messages": len(chat.df), "duration_s": took}))
print(json.dumps({"cpu_s": cpu}))
print(next(line for line in open("/proc/self/status") if "VmHWM" in line))
"""
_OUR_SCRIPT = """
import json, sys, time
from chat_service.parsers import ParseOptions, open_export
start, before = time.perf_counter(), time.process_time()
with open(sys.argv[1], "rb") as file:
    # Message by message, as the others give them; an import takes them in columns and makes no objects.
    messages = sum(1 for message in open_export(file, ParseOptions(), file_name=sys.argv[1]))
took, cpu = time.perf_counter() - start, time.process_time() - before
print(json.dumps({"messages": messages, "duration_s": took}))
print(json.dumps({"cpu_s": cpu}))
print(next(line for line in open("/proc/self/status") if "VmHWM" in line))
"""
OURS = (sys.executable, "-c", _OUR_SCRIPT)


@dataclass(frozen=True)
class Run:
    """One run of a parser: what it said, its CPU time, and the most memory that its process had."""

    messages: int
    duration_s: float
    cpu_s: float
    peak_memory_mb: float


@dataclass(frozen=True)
class Peer:
    """A parser that is installed: its name, and the command that reads a file."""

    name: str
    command: tuple[str, ...]


def timed(command: list[str], env: dict[str, str] | None = None) -> Run:
    """Run a command and read what it measured of itself; raises RuntimeError when it fails.

    The memory is what Linux says of the process itself: what a parent is told counts the parent's own.
    """
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_RUN_TIMEOUT_S, env=env, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}\n{done.stderr}")
    result, cpu, memory = [line for line in done.stdout.splitlines() if line.strip()][-3:]
    said = json.loads(result) | json.loads(cpu)
    return Run(said["messages"], said["duration_s"], said["cpu_s"], int(memory.split()[1]) / 1024)


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
    if not script.exists():  # written last, so that an installation that was broken off is repeated
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
