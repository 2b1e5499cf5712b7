from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.config.loader import config_digest, load_config
from tests.kit.config_files import edit, small_config

if TYPE_CHECKING:
    from pathlib import Path


def test_the_digest_changes_with_a_value_and_not_with_a_comment(tmp_path: Path) -> None:
    folder = small_config(tmp_path)
    before = config_digest(load_config(folder))
    assert len(before) == 12
    edit(folder, "timeouts.yaml", "version: 1", "# a comment\nversion: 1")
    assert config_digest(load_config(folder)) == before
    edit(folder, "timeouts.yaml", "limit: 180s", "limit: 181s")
    assert config_digest(load_config(folder)) != before
