"""The main job, done as an app would do it over REST; `make demo` runs it against processes of its own.

Upload a chat, unlock insights with coins, watch the coins being reserved and charged; then an
order with too few coins, and one whose generation fails, which costs nothing.
"""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from docs.examples.charts import draw

FOLDER = Path(__file__).parent
USER = "demo-user"
_TIMEOUT_S = 30.0
_POLL_S = 0.03
_ENDED = {"COMPLETED", "FAILED", "CANCELLED", "REJECTED", "PAYMENT_FAILED"}
_SHOWN = ("activity_heatmap", "message_balance", "response_times", "sentiment", "emoji")

console = Console(width=118, highlight=False)


class DemoFailed(Exception):
    """The system did not do what the demo shows."""


class App:
    """A small client of the REST API."""

    def __init__(self, address: str, token: str) -> None:
        """Take where the gateway is and the bearer token of a user."""
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=_TIMEOUT_S)

    def ask(self, method: str, path: str, expect: int, **request: Any) -> Any:
        """Make a request and answer its JSON; raises `DemoFailed` unless the status is the expected one."""
        answer = self._http.request(method, path, **request)
        if answer.status_code != expect:
            raise DemoFailed(f"{method} {path} answered {answer.status_code}, not {expect}: {answer.text}")
        return answer.json() if answer.content else None

    def balance(self) -> dict[str, Any]:
        """Answer balance, reserved, available."""
        account: dict[str, Any] = self.ask("GET", "/api/credits/balance", 200)
        return account

    def upload(self, path: Path) -> dict[str, Any]:
        """Upload an export and answer the chat."""
        with path.open("rb") as file:
            chat: dict[str, Any] = self.ask(
                "POST",
                "/api/chats/upload",
                201,
                files={"file": (path.name, file, "text/plain")},
                headers={"Idempotency-Key": str(uuid.uuid4())},
            )
        return chat

    def unlock(self, chat: dict[str, Any], category_id: str, expect: int = 202) -> dict[str, Any]:
        """Order a category's insights for a chat and answer the job, or the error that is expected."""
        job: dict[str, Any] = self.ask(
            "POST",
            "/api/insights/unlock",
            expect,
            json={"chat_id": chat["chat_id"], "category_id": category_id},
            headers={"Idempotency-Key": str(uuid.uuid4())},
        )
        return job

    def follow(self, job: dict[str, Any]) -> dict[str, Any]:
        """Show a progress bar until the job has ended, and answer it."""
        columns = (
            TextColumn("  {task.description:<34}"),
            BarColumn(40),
            TextColumn("{task.percentage:>3.0f} %"),
        )
        with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
            bar = progress.add_task(job["state"], total=100)
            end = time.monotonic() + _TIMEOUT_S
            while job["state"] not in _ENDED:
                if time.monotonic() > end:
                    raise DemoFailed(f"the job is still {job['state']} after {_TIMEOUT_S:g} s")
                time.sleep(_POLL_S)
                job = self.ask("GET", f"/api/insights/jobs/{job['job_id']}/status", 200)
                now = job["progress"]
                progress.update(
                    bar, completed=now["percent"], description=f"{job['state']} {now['stage_name']}"
                )
        return job


def main() -> int:
    """Run the demo and answer the process's exit code."""
    port = os.environ.get("HOLDFAST_GATEWAY_PORT", "8000")
    app = App(f"http://127.0.0.1:{port}", _ours("gateway", "token", USER))
    try:
        _story(app)
    except (DemoFailed, httpx.HTTPError) as error:
        console.print(f"[bold red]The demo failed:[/] {error}")
        return 1
    console.print("\n[bold green]All as promised.[/] Start it for yourself: make run\n")
    return 0


def _story(app: App) -> None:
    _heading("1", "A user logs in and gets the sign-up bonus; an operator grants 500 coins")
    app.ask("POST", "/api/users/store", 200, json={"display_name": "Demo"})
    _ours("credit_service", "grant", USER, "500")
    _account(app, "before", balance=550, reserved=0)

    _heading("2", "Upload a WhatsApp export")
    chat = app.upload(FOLDER / "anna-and-ben.txt")
    _show_chat(chat)

    _heading("3", "Unlock the romantic insights: 400 coins are reserved, and charged when all are made")
    job = app.unlock(chat, "romantic")
    _account(app, "while reserved", balance=550, reserved=400)
    _end(app.follow(job), "COMPLETED")
    _show_insights(app, chat)
    _account(app, "after", balance=150, reserved=0)
    _show_transactions(app)

    _heading("4", "Another chat, too few coins: 402, and nothing was taken")
    flat = app.upload(FOLDER / "the-flat-share.txt")
    refusal = app.unlock(flat, "friendship", expect=402)["error"]
    _expect(refusal["code"], "INSUFFICIENT_CREDITS")
    _expect(refusal["details"], {"required": 200, "available": 150})
    console.print(f"  402 {refusal['code']}: {refusal['message']}  {refusal['details']}")
    _account(app, "unchanged", balance=150, reserved=0)

    _heading("5", "Work that fails costs nothing: a chat too short for any insight")
    _ours("credit_service", "grant", USER, "100")
    short = app.upload(FOLDER / "too-short.txt")
    failed = _end(app.follow(app.unlock(short, "friendship")), "FAILED")
    console.print(f"  {failed['error']['code']}: {failed['error']['message']}")
    _account(app, "released", balance=250, reserved=0)


def _show_chat(chat: dict[str, Any]) -> None:
    people = ", ".join(f"{p['name']} ({p['message_count']:,})" for p in chat["participants"])
    console.print(
        f"  [bold]{chat['display_name']}[/]: {chat['message_count']:,} messages, "
        f"{chat['first_message_local_time'][:10]} to {chat['last_message_local_time'][:10]}; {people}"
    )


def _show_insights(app: App, chat: dict[str, Any]) -> None:
    insights = app.ask("GET", f"/api/insights/chats/{chat['chat_id']}", 200)["insights"]
    if len(insights) < 8:
        raise DemoFailed(f"only {len(insights)} insights were made")
    for insight in insights:
        body = Text("\n".join(insight["sentences"]))
        if insight["type"] in _SHOWN:
            console.print(Panel(draw(insight["data"]["chart"]), title=insight["title"], title_align="left"))
            console.print(*(f"  {line}" for line in insight["sentences"]), sep="\n", style="italic")
        else:
            console.print(Panel(body, title=insight["title"], title_align="left", border_style="dim"))


def _show_transactions(app: App) -> None:
    table = Table(box=None, header_style="dim", padding=(0, 3, 0, 2))
    for heading in ("when", "type", "coins", "balance after", "what"):
        table.add_column(heading, justify="right" if heading in ("coins", "balance after") else "left")
    for row in app.ask("GET", "/api/credits/transactions", 200)["transactions"]:
        when = row["create_time"][:19].replace("T", " ")
        table.add_row(when, row["type"], f"{row['amount']:+}", str(row["balance_after"]), row["description"])
    console.print(table)


def _account(app: App, when: str, **expected: int) -> None:
    account = app.balance()
    shown = " · ".join(f"{name} [bold]{account[name]}[/]" for name in ("balance", "reserved", "available"))
    console.print(f"  [dim]account {when}:[/] {shown}")
    _expect({name: account[name] for name in expected}, expected)


def _end(job: dict[str, Any], state: str) -> dict[str, Any]:
    _expect(job["state"], state)
    return job


def _expect(found: object, expected: object) -> None:
    if found != expected:
        raise DemoFailed(f"expected {expected}, found {found}")


def _ours(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise DemoFailed(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def _heading(number: str, title: str) -> None:
    console.print(f"\n[bold reverse] {number} [/] [bold]{title}[/]")


if __name__ == "__main__":
    sys.exit(main())
