"""A name that the code looks up in timeouts.yaml is missed when the file is read, not in the middle of the night."""

from __future__ import annotations

import ast
from pathlib import Path

import nbactl
from nbactl.config.check_timeouts import USED
from nbactl.config.timeouts import TimeoutsFile
from tests.kit.config_files import edit, problems, small_config

PACKAGE = Path(nbactl.__file__).parent
SECTIONS = set(TimeoutsFile.defaults) - {"version"}


def looked_up() -> set[tuple[str, str]]:
    """Find `timeouts["name"]`, `timeouts.interval("name")`, `timeouts.leases["name"]` and `policies["name"]`."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "timeouts" not in text and "policies[" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "interval"
                and ast.unparse(node.func).endswith("timeouts.interval")
            ):
                found.add(("timeouts", str(ast.literal_eval(node.args[0]))))
            if not (isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)):
                continue
            *_, owner, attribute = ["", *ast.unparse(node.value).split(".")]
            if attribute == "policies":
                found.add(("call_policies", str(node.slice.value)))
            elif attribute == "timeouts":
                found.add(("timeouts", str(node.slice.value)))
            elif owner == "timeouts" and attribute in SECTIONS:
                found.add((attribute, str(node.slice.value)))
    return found


def test_inv_18_the_list_of_used_names_is_what_the_code_looks_up() -> None:
    assert {(section, name) for section, names in USED.items() for name in names} == looked_up(), (
        "bring nbactl/config/check_timeouts.py in step with the code"
    )


def test_a_file_without_a_used_name_is_refused(tmp_path: Path) -> None:
    folder = small_config(tmp_path)
    edit(folder, "timeouts.yaml", "documents.busy", "documents.bussy")
    assert problems(folder) == [
        "timeouts.yaml:39:1: timeouts lacks 'documents.busy', which nbactl uses. Did you mean 'documents.bussy'?"
    ]
