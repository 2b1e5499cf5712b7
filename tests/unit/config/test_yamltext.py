"""YAML is read by the 1.2 core schema, every value knows its place, and what is no configuration is refused."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.config.loader import load_yaml
from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("22:00", "22:00"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("'null'", "null"),
        ("12", 12),
        ("-3", -3),
        ("0o17", 15),
        ("017", 17),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
        ("2024-01-15", "2024-01-15"),
        ("'12'", "12"),
        (">-\n  folded\n  text", "folded text"),
        ("[a, 1]", ("a", 1)),
        ("{on: off}", {"on": "off"}),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_scalars_follow_the_core_schema(tmp_path: Path, text: str, value: Any) -> None:
    (tmp_path / "f.yaml").write_text(f"key: {text}\n")
    data, _ = load_yaml(tmp_path / "f.yaml")
    assert data == {"key": value}
    assert type(data["key"]) is type(value)


def test_nan_is_a_number_in_yaml(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("key: .nan")
    assert math.isnan(load_yaml(tmp_path / "f.yaml")[0]["key"])


def test_positions_count_lines_and_columns_from_one(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("\ufeff# comment\nä:\n  - first\n  - {ö: ü, needs: [x, y]}\n")
    _, positions = load_yaml(tmp_path / "f.yaml")
    assert positions.key(("ä",)) == (2, 1)
    assert positions.value(("ä", 0)) == (3, 5)
    assert positions.key(("ä", 1, "needs")) == (4, 12)
    assert positions.value(("ä", 1, "needs", 1)) == (4, 23)
    assert positions.value(("ä", 7, "missing")) == (3, 3)


def test_an_alias_stands_for_its_anchor(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("a: &x {k: 1}\nb: *x\n")
    data, positions = load_yaml(tmp_path / "f.yaml")
    assert data["b"] == {"k": 1}
    assert positions.value(("b", "k")) == (1, 11)


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "f.yaml:1:1: the file is empty."),
        (b"# only a comment\n", "f.yaml:1:1: the file is empty."),
        (b"a: 1\nb: caf\xe9\n", "f.yaml:2:7: byte 0xe9 is not UTF-8; save the file as UTF-8."),
        (b"\xff\xfea\x00", "f.yaml:1:1: byte 0xff is not UTF-8; save the file as UTF-8."),
        ("a: 1\nbö: x\x07y".encode(), "f.yaml:2:6: a control character (code 7) is not allowed here."),
        (b"a:\n\tb: 1\n", "f.yaml:2:1: YAML is indented with spaces, this is a tab."),
        (b"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: 'a' is given again, first in line 1."),
        (b"a: {b: 1, b: 2}\n", "f.yaml:1:11: 'b' is given again, first in line 1."),
        (b"a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document begins here; one file holds one document."),
        (b"a: *x\n", "f.yaml:1:4: *x refers to itself or to nothing before it."),
        (b"a: &x [*x]\n", "f.yaml:1:8: *x refers to itself or to nothing before it."),
        (BOMB.encode(), "f.yaml:5:5: more than 100,000 values once aliases are written out."),
        (b"[" * 5000, "f.yaml:1:52: nested more than 50 deep."),
        (b"a: !!python/name:os.system x\n", "f.yaml:1:4: tags such as tag:yaml.org,2002:python/name:os.system"),
        (b"? [a, b]\n: 1\n", "f.yaml:1:3: a key must be text."),
        (b"a: b: c\n", "f.yaml:1:5: mapping values are not allowed in this context."),
        (
            b"a: [1, 2\nb: 3\n",
            "f.yaml:2:2: did not find expected ',' or ']' (while parsing a flow sequence that began in line 1).",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_yaml(tmp_path / "f.yaml")
    assert str(caught.value.cause).startswith(expected)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_yaml(tmp_path / "none.yaml")
    assert caught.value.cause == "none.yaml:1:1: the file cannot be read: no such file or directory."
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(ConfigError) as caught:
        load_yaml(tmp_path / "folder.yaml")
    assert caught.value.cause == "folder.yaml:1:1: the file cannot be read: is a directory."


def test_a_number_too_long_to_be_meant_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("a: " + "9" * 5000)
    assert load_yaml(tmp_path / "f.yaml")[0] == {"a": math.inf}
