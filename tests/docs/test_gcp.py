"""docs/gcp.md: the table of rights is the one that `nbactl doctor` goes by."""

from __future__ import annotations

import re

from nbactl.checks.doctor.permissions import NEEDS
from tests.kit.paths import ROOT

TEXT = (ROOT / "docs" / "gcp.md").read_text(encoding="utf-8")


def test_the_table_of_rights_is_that_of_doctor() -> None:
    rows = re.findall(r"^\| (.+?) \| `(roles/[\w.]+)` \| (.+?) \|$", TEXT, re.MULTILINE)
    found = [
        (tuple(cell.strip("` ") for cell in commands.split(",")), role, tuple(re.findall(r"`(.+?)`", permissions)))
        for commands, role, permissions in rows
    ]
    assert found == [(need.commands, need.role, need.permissions) for need in NEEDS]
