"""The settings that report an error, even an error in the settings themselves."""

from __future__ import annotations

import pytest

from nbactl.cli.session import Session


@pytest.mark.parametrize(("variable", "color"), [("NO_COLOR", "never"), ("FORCE_COLOR", "always")])
def test_an_error_in_an_option_is_reported_in_the_colours_asked_for(variable: str, color: str) -> None:
    session = Session(["--target", "aws", "-o", "xml", "status"], {variable: "1"})
    assert session.settings_for_errors().color == color
