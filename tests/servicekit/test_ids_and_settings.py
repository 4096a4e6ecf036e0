"""Ids, request ids and settings."""

from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from servicekit.context import accept_request_id
from servicekit.ids import uuid7
from servicekit.settings import WRONG_SETTINGS_EXIT, KitSettings, SettingsError, report


def test_ids_are_version_7_and_grow_with_time() -> None:
    ids = [uuid7() for _ in range(1_000)]

    assert {(i.version, i.variant) for i in ids} == {(7, "specified in RFC 4122")}
    assert len(set(ids)) == 1_000
    assert [i.int >> 80 for i in ids] == sorted(i.int >> 80 for i in ids)


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "{}", "line\nbreak"])
def test_an_unsafe_request_id_is_not_taken(given: str) -> None:
    assert accept_request_id(given) != given


def test_a_safe_request_id_is_kept() -> None:
    assert accept_request_id("job-01:2.3") == "job-01:2.3"


def test_the_environment_wins_over_the_launchers_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "stores.env").write_text("HOLDFAST_LOG_LEVEL=error\nHOLDFAST_BIND_HOST=127.0.0.9\n")
    monkeypatch.setenv("HOLDFAST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HOLDFAST_LOG_LEVEL", "debug")

    settings = KitSettings.load()

    assert (settings.log_level, settings.bind_host) == ("debug", "127.0.0.9")


def test_a_wrong_setting_names_itself() -> None:
    with pytest.raises(ValidationError, match="rpc_timeout_s"):
        KitSettings(rpc_timeout_s=-1)


class _Secretive(KitSettings):
    service_token: str = Field(max_length=4)
    page_token_secret: str


def test_what_is_wrong_is_a_line_each_with_the_variable_and_without_the_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOLDFAST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HOLDFAST_SERVICE_TOKEN", "s3cret")
    monkeypatch.setenv("HOLDFAST_DRAIN_S", "s3cret")
    monkeypatch.delenv("HOLDFAST_PAGE_TOKEN_SECRET", raising=False)

    with pytest.raises(SettingsError) as caught:
        _Secretive.load()

    assert sorted(str(caught.value).splitlines()) == [
        "HOLDFAST_DRAIN_S: Input should be a valid number, unable to parse string as a number",
        "HOLDFAST_PAGE_TOKEN_SECRET: must be set",
        "HOLDFAST_SERVICE_TOKEN: String should have at most 4 characters",
    ]
    # A traceback shows what an error came from, too.
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_a_rule_over_several_settings_names_them_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOLDFAST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HOLDFAST_ENVIRONMENT", "production")
    monkeypatch.setenv("HOLDFAST_SERVICE_TOKEN", "s3cret")

    with pytest.raises(SettingsError) as caught:
        KitSettings.load()

    assert str(caught.value) == "HOLDFAST_PAGE_TOKEN_SECRET must be set in production: signs page tokens"


def test_a_process_reports_its_wrong_settings_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert report("a_service", SettingsError("HOLDFAST_DRAIN_S: must be set")) == WRONG_SETTINGS_EXIT == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (
        "",
        "a_service: the settings are wrong:\nHOLDFAST_DRAIN_S: must be set\n",
    )


def test_production_refuses_a_development_secret() -> None:
    with pytest.raises(ValidationError, match="HOLDFAST_PAGE_TOKEN_SECRET must be set in production"):
        KitSettings(environment="production")
    KitSettings(environment="production", page_token_secret="0f3a")
