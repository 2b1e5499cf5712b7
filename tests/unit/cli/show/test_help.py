"""What --help prints: examples first, global options in one line, nothing wrapped inside of a word."""

from __future__ import annotations

from typing import Any

import pytest

from nbactl.cli.help.topics import TOPICS
from nbactl.cli.options import SHARED
from nbactl.cli.show.help import GLOBAL_OPTIONS, Help
from tests.kit.cli_tree import TREE


def _text(command: Any, context: Any, width: int = 80) -> str:
    return Help(command, context, width=width, color=False).text()


@pytest.mark.parametrize("path", TREE)
def test_help_has_examples_first_and_the_global_options_in_one_line(path: str) -> None:
    command, context = TREE[path]
    text = _text(command, context)
    sections = text.split("\n\n")
    assert sections[1].startswith("Usage: ")
    assert sections[2].startswith("Examples:\n") == bool(command.examples)
    assert GLOBAL_OPTIONS in text
    assert "--state-dir DIR" not in text.partition("Options:")[2], f"{path} lists the global options"
    assert "-h, --help" in text


@pytest.mark.parametrize("path", TREE)
def test_help_at_80_columns_wraps_between_words_only(path: str) -> None:
    command, context = TREE[path]
    unwrapped = _text(command, context, 10_000).split()
    assert _text(command, context).split() == unwrapped, path


def test_the_usage_has_repeated_arguments_after_the_bracket() -> None:
    usages = {path: _text(command, context).split("\n\n")[1] for path, (command, context) in TREE.items()}
    assert usages["nbactl help"] == "Usage: nbactl help [OPTIONS] [TOPIC]..."
    assert usages["nbactl run"] == "Usage: nbactl run [OPTIONS] NAME..."


def test_the_global_options_are_explained_in_their_topic() -> None:
    text = TOPICS["options"].text()
    assert all(name in text for option in SHARED for name in option.declarations)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_fits_80_columns(topic: str) -> None:
    assert max(map(len, TOPICS[topic].text().splitlines())) <= 80
