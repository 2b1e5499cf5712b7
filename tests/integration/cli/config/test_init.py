"""`nbactl config init` writes files to start from, and loses none that are there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Nbactl

NAMES = ("workflows.yaml", "timeouts.yaml", "flags.yaml")


def states(nbactl: Nbactl, *words: str) -> dict[str, str]:
    done = nbactl("config", "init", *words, "-o", "json")
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)["data"]["files"]
    return {file["path"].rpartition("/")[2]: file["state"] for file in files}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_files_are_written_with_their_comments_and_are_valid(nbactl: Nbactl) -> None:
    done = nbactl("config", "init", "deep/pipeline")
    assert done.returncode == 0, done.stderr
    folder = nbactl.directory / "deep" / "pipeline"
    assert contents(folder) == {name: (ROOT / name).read_bytes() for name in NAMES}
    assert "nbactl config validate --config-dir deep/pipeline" in done.stderr
    assert nbactl("config", "validate", "--config-dir", "deep/pipeline").returncode == 0
    assert states(nbactl, "deep/pipeline") == dict.fromkeys(NAMES, "unchanged")


def test_without_a_folder_it_is_that_of_config_dir_or_the_working_directory(nbactl: Nbactl) -> None:
    assert nbactl("config", "init", "--config-dir", "conf").returncode == 0
    assert sorted(contents(nbactl.directory / "conf")) == sorted(NAMES)
    assert nbactl("config", "init").returncode == 0
    assert set(NAMES) < {path.name for path in nbactl.directory.iterdir()}


def test_an_edited_file_is_refused_and_with_force_kept_under_another_name(nbactl: Nbactl) -> None:
    assert nbactl("config", "init").returncode == 0
    edited = nbactl.directory / "timeouts.yaml"
    edited.write_text("# mine\n")
    (nbactl.directory / "flags.yaml").unlink()
    before = contents(nbactl.directory)
    refused = nbactl("config", "init")
    assert refused.returncode == 6
    assert "timeouts.yaml in . differs" in refused.stderr
    assert "--force" in refused.stderr
    assert contents(nbactl.directory) == before
    for number, text in enumerate(("# mine\n", "# mine again\n"), start=1):
        edited.write_text(text)
        found = states(nbactl, "--force")
        assert found["timeouts.yaml"] == "replaced"
        kept = "timeouts.yaml.bak" if number == 1 else f"timeouts.yaml.bak{number}"
        assert (nbactl.directory / kept).read_text() == text
    assert edited.read_bytes() == (ROOT / "timeouts.yaml").read_bytes()
    assert (nbactl.directory / "timeouts.yaml.bak").read_text() == "# mine\n"


def test_a_dry_run_writes_nothing(nbactl: Nbactl) -> None:
    assert states(nbactl, "conf", "--dry-run") == dict.fromkeys(NAMES, "written")
    assert list(nbactl.directory.iterdir()) == []


@pytest.mark.parametrize("there", ["file", "link"])
def test_what_is_no_folder_or_a_link_to_nowhere_loses_nothing(nbactl: Nbactl, there: str) -> None:
    if there == "file":
        (nbactl.directory / "conf").write_text("a note")
        assert nbactl("config", "init", "conf").returncode == 2
        assert (nbactl.directory / "conf").read_text() == "a note"
    else:
        (nbactl.directory / "flags.yaml").symlink_to("nowhere/flags.yaml")
        assert nbactl("config", "init").returncode == 6
        assert not (nbactl.directory / "workflows.yaml").exists()
        assert nbactl("config", "init", "--force").returncode == 0
        assert (nbactl.directory / "flags.yaml.bak").is_symlink()
