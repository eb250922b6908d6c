"""Settings: from the environment and a file, checked, and silent about secrets."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from fortified.domain.errors import ConfigError
from fortified.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_there_are_safe_defaults() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.allow_live, settings.paper_fill) == ("127.0.0.1", 8000, False, "next")
    assert (settings.jwt_secret, settings.fortified_admin_password, settings.external_redis_url) == (None, None, None)
    assert settings.data_dir.is_absolute()
    assert not settings.has_broker


def test_options_go_before_the_environment_and_that_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1111\nHOST=file\nLOG_LEVEL=debug\nUNKNOWN_KEY=1\n")
    monkeypatch.setenv("PORT", "2222")
    settings = load_settings(port=3333, host=None)
    assert (settings.port, settings.host, settings.log_level) == (3333, "file", "DEBUG")
    assert load_settings().port == 2222


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "")
    monkeypatch.setenv("PORT", "")
    assert (load_settings().external_redis_url, load_settings().port) == (None, 8000)


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "http://a, http://b,")
    monkeypatch.setenv("CHART_TIMEFRAMES", "5")
    assert (load_settings().cors_origins, load_settings().chart_timeframes) == (("http://a", "http://b"), ("5",))


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "70000"), ("PAPER_FILL", "never"), ("LOG_LEVEL", "loud"), ("REDIS_DB", "99"), ("STALE_AFTER_SECONDS", "0")]
)
def test_what_is_not_valid_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"settings are not valid: {name}: ") as error:
        load_settings()
    assert "\n" not in str(error.value)


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = [
        name
        for name, field in Settings.model_fields.items()
        if re.search("secret|password|token$|redis_url", name) and "Secret" in str(field.annotation)
    ]
    assert len(secret) == 7
    for name in secret:
        monkeypatch.setenv(name.upper(), "hunter2")
    settings = load_settings()
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()}"
    monkeypatch.setenv("PORT", "hunter2")
    with pytest.raises(ConfigError) as error:
        load_settings()
    assert "hunter2" not in str(error.value)


def test_they_do_not_change() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.port = 1


def test_the_owner_s_redis() -> None:
    assert load_settings(redis_url="rediss://x:1/2", redis_host="y").external_redis_url == "rediss://x:1/2"
    assert load_settings(redis_host="db", redis_port=7, redis_db=3).external_redis_url == "redis://db:7/3"
    assert load_settings(redis_host="db", redis_password="pw").external_redis_url == "redis://:pw@db:6379/0"


def test_a_password_of_any_characters_reaches_redis_whole() -> None:
    url = load_settings(redis_host="db", redis_password="p@ss/w:rd#").external_redis_url
    assert url is not None
    assert urlsplit(url).hostname == "db"
