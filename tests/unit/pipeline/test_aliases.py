"""aliases.csv: read whole or refused with file and line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.errors import DataError
from nbactl.pipeline.aliases import Aliases, read_aliases

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "aliases.csv").write_text(text, encoding="utf-8")
    return folder


def test_a_name_is_known_as_another(tmp_path: Path) -> None:
    aliases = read_aliases([write(tmp_path, "alias,player\nBones Šample,Nah'Shon Sample\n\n")])
    assert aliases.player("bonessample", "BOS") == "nahshonsample"
    assert aliases.player("victorother", "BOS") == "victorother"


def test_a_team_limits_an_alias(tmp_path: Path) -> None:
    aliases = read_aliases([write(tmp_path, "alias,player,team\nJ. Sample,John Sample,BOS\nJ. Sample,Jack Sample,\n")])
    assert aliases.player("jsample", "BOS") == "johnsample"
    assert aliases.player("jsample", "MIA") == "jacksample"


def test_the_source_s_file_goes_before_the_one_beside_the_configuration(tmp_path: Path) -> None:
    folders = [
        write(tmp_path / "config", "alias,player\nA A,B B\nC C,D D\n"),
        write(tmp_path / "source", "alias,player\nA A,E E\n"),
    ]
    aliases = read_aliases(folders)
    assert (aliases.player("aa", ""), aliases.player("cc", "")) == ("ee", "dd")
    assert read_aliases([tmp_path]) == Aliases()


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ("", 1, "first line"),
        ("name,other\nA A,B B\n", 1, "first line is 'name,other'"),
        ("alias,player\nA A\n", 2, "has 1 values"),
        ("alias,player\nA A,\n", 2, "name is empty"),
        ("alias,player\nA A,B B\nA. A.,C C\n", 3, "given twice"),
        ("alias,player\nÀ A,A A\n", 2, "the same as"),
        ("alias,player,team\nA A,B B,Atlanta Eagles\n", 2, "not one of the thirty"),
        ("alias,player\nA A,B B\nB B,C C\n", 1, "an alias itself"),
        ('alias,player\n"A A,B B\n', 2, "is not CSV"),
    ],
)
def test_a_file_that_is_not_right_is_refused_with_its_line(tmp_path: Path, text: str, line: int, cause: str) -> None:
    with pytest.raises(DataError) as caught:
        read_aliases([write(tmp_path, text)])
    assert caught.value.details["line"] == line
    assert cause in str(caught.value.cause)
    assert caught.value.next_step
