"""What `up` starts its services with: which variables belong to a revision, and which are secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.bootstrap import Container
from nbactl.bootstrap.localrun import split_environment
from nbactl.config.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path


def test_variables_are_what_nbactl_and_flags_read_and_secrets_are_only_passed_on(tmp_path: Path) -> None:
    environ = {
        "HOME": "/home/mia",
        "NBACTL_TIMEOUT_UP_POLL": "2s",
        "ENABLE_IDEMPOTENCY_KEYS": "true",
        "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",
        "NBACTL_SENTRY_DSN": "https://abc@example.com/1",
        "NBACTL_ALERTS_URL": "https://hooks.slack.com/services/T0/B0/xyz",
        "PORT": "8080",
        "NBACTL_OUTPUT": "json",
        "NBACTL_PUSH_AUDIENCE": "https://example.com",
    }
    settings = load_settings({"state_dir": str(tmp_path)}, {}, tmp_path)
    with Container(settings, environ=environ) as app:
        found = split_environment(app)
    assert found.variables == {
        "NBACTL_TIMEOUT_UP_POLL": "2s",
        "ENABLE_IDEMPOTENCY_KEYS": "true",
        "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",
        "NBACTL_SOURCE": settings.source,
    }
    assert found.secrets == {"NBACTL_SENTRY_DSN", "NBACTL_ALERTS_URL"}
    assert set(found.common) == {"HOME", "PYTHONUNBUFFERED", *found.secrets}
