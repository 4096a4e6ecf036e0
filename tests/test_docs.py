"""What the documentation says is what the code does."""

import re
from pathlib import Path

from docs import make_settings

ROOT = Path(__file__).parent.parent


def test_every_setting_stands_in_the_documentation_with_its_default() -> None:
    assert make_settings.FILE.read_text() == make_settings.page(), "run: python -m docs.make_settings"


def test_every_link_within_the_documentation_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        (page.name, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_decision_stands_in_the_index() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text()
    for page in folder.glob("0*.md"):
        assert f"({page.name})" in index


def test_the_readme_names_every_make_target() -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    readme = (ROOT / "README.md").read_text()
    assert {target for target in targets if f"make {target}" not in readme} == set()
