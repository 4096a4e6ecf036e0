"""What the documentation says is what the code does."""

import json
import re
import tomllib
from pathlib import Path

from docs import make_settings
from gateway.models import Job
from insight_worker.pipelines.chat_insights.pipeline import INSIGHT_TYPES, PIPELINE

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


def test_the_progress_that_is_shown_is_one_that_a_job_can_have() -> None:
    # given the stages of the category in the examples, where there is no model
    catalogue = tomllib.loads((ROOT / "chat_service" / "catalogue" / "catalogue.toml").read_text())
    (romantic,) = (one for one in catalogue["category"] if one["id"] == "romantic")
    computed = [kind for kind in romantic["insight_types"] if kind in INSIGHT_TYPES]
    stages = PIPELINE.stages({"insight_type_ids": computed})
    # then the page and the OpenAPI document show what a job of it says
    page = (ROOT / "docs" / "gateway.md").read_text()
    (shown,) = re.findall(r'"progress":(\{.*?),…\}', page)
    progress = json.loads(shown + "}")
    done, count = progress["stage_index"], len(stages)
    assert progress == {"stage_index": done, "stage_count": count, "percent": 100 * done // count}
    [example] = Job.model_json_schema()["examples"]
    assert example["progress"] == {**progress, "stage_name": stages[done].title}
