"""The main job, done as an app would do it over REST; `make demo` runs it against processes of its own.

Upload a chat, unlock insights with coins, watch the coins being reserved and charged; then an
order with too few coins, and one whose generation fails, which costs nothing.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from docs.examples.charts import draw
from docs.examples.client import ApiError, Chat, Client, Job

FOLDER = Path(__file__).parent
USER = "demo-user"
_SHOWN = ("activity_heatmap", "message_balance", "response_times", "sentiment", "emoji")

console = Console(width=118, highlight=False)


class DemoFailed(Exception):
    """The system did not do what the demo shows."""


def follow(client: Client, job: Job) -> Job:
    """Show a progress bar until the job has ended, and answer it."""
    columns = (
        TextColumn("  {task.description:<34}"),
        BarColumn(40),
        TextColumn("{task.percentage:>3.0f} %"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task(job["state"], total=100)
        last = job
        for last in client.follow_job(job["job_id"]):
            now = last["progress"]
            what = f"{last['state']} {now['stage_name']}"
            progress.update(bar, completed=now["percent"], description=what)
    return last


def main() -> int:
    """Run the demo and answer the process's exit code."""
    port = os.environ.get("HOLDFAST_GATEWAY_PORT", "8000")
    try:
        with Client(f"http://127.0.0.1:{port}", _ours("gateway", "token", USER)) as client:
            _story(client)
    except (DemoFailed, ApiError, httpx.HTTPError) as error:
        console.print(f"[bold red]The demo failed:[/] {error}")
        return 1
    console.print("\n[bold green]All as promised.[/] Start it for yourself: make run\n")
    return 0


def _story(client: Client) -> None:
    _heading("1", "A user logs in and gets the sign-up bonus; an operator grants 500 coins")
    client.store_user(display_name="Demo")
    _ours("credit_service", "grant", USER, "500")
    _account(client, "before", balance=550, reserved=0)

    _heading("2", "Upload a WhatsApp export")
    chat = client.upload_chat(FOLDER / "anna-and-ben.txt")
    _show_chat(chat)

    _heading("3", "Unlock the romantic insights: 400 coins are reserved, and charged when all are made")
    job = client.unlock_category(chat["chat_id"], "romantic")
    _account(client, "while reserved", balance=550, reserved=400)
    _end(follow(client, job), "COMPLETED")
    _show_insights(client, chat)
    _account(client, "after", balance=150, reserved=0)
    _show_transactions(client)

    _heading("4", "Another chat, too few coins: 402, and nothing was taken")
    flat = client.upload_chat(FOLDER / "the-flat-share.txt")
    refusal = _refused(client, flat, "friendship")
    _expect((refusal.status, refusal.code), (402, "INSUFFICIENT_CREDITS"))
    _expect(refusal.details, {"required": 200, "available": 150})
    console.print(f"  {refusal}  {refusal.details}")
    _account(client, "unchanged", balance=150, reserved=0)

    _heading("5", "Work that fails costs nothing: a chat too short for any insight")
    _ours("credit_service", "grant", USER, "100")
    short = client.upload_chat(FOLDER / "too-short.txt")
    failed = _end(follow(client, client.unlock_category(short["chat_id"], "friendship")), "FAILED")
    reason = failed["error"] or {"code": "", "message": "the job has no reason"}
    console.print(f"  {reason['code']}: {reason['message']}")
    _account(client, "released", balance=250, reserved=0)


def _show_chat(chat: Chat) -> None:
    people = ", ".join(f"{p['name']} ({p['message_count']:,})" for p in chat["participants"])
    console.print(
        f"  [bold]{chat['display_name']}[/]: {chat['message_count']:,} messages, "
        f"{chat['first_message_local_time'][:10]} to {chat['last_message_local_time'][:10]}; {people}"
    )


def _show_insights(client: Client, chat: Chat) -> None:
    insights = client.list_chat_insights(chat["chat_id"])
    if len(insights) < 8:
        raise DemoFailed(f"only {len(insights)} insights were made")
    for insight in insights:
        body = Text("\n".join(insight["sentences"]))
        if insight["type"] in _SHOWN:
            console.print(Panel(draw(insight["data"]["chart"]), title=insight["title"], title_align="left"))
            console.print(*(f"  {line}" for line in insight["sentences"]), sep="\n", style="italic")
        else:
            console.print(Panel(body, title=insight["title"], title_align="left", border_style="dim"))


def _show_transactions(client: Client) -> None:
    table = Table(box=None, header_style="dim", padding=(0, 3, 0, 2))
    for heading in ("when", "type", "coins", "balance after", "what"):
        table.add_column(heading, justify="right" if heading in ("coins", "balance after") else "left")
    for row in client.list_transactions():
        when = (row["create_time"] or "")[:19].replace("T", " ")
        table.add_row(when, row["type"], f"{row['amount']:+}", str(row["balance_after"]), row["description"])
    console.print(table)


def _account(client: Client, when: str, **expected: int) -> None:
    account: dict[str, Any] = {**client.get_balance()}
    shown = " · ".join(f"{name} [bold]{account[name]}[/]" for name in ("balance", "reserved", "available"))
    console.print(f"  [dim]account {when}:[/] {shown}")
    _expect({name: account[name] for name in expected}, expected)


def _refused(client: Client, chat: Chat, category_id: str) -> ApiError:
    try:
        client.unlock_category(chat["chat_id"], category_id)
    except ApiError as error:
        return error
    raise DemoFailed(f"{category_id} was unlocked with too few coins")


def _end(job: Job, state: str) -> Job:
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
