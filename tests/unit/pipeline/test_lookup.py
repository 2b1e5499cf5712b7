from __future__ import annotations

from datetime import date, timedelta

import pytest

from nbactl.pipeline.lookup import Lookups, plain_name

DAY = date(2024, 1, 15)
NEXT = DAY + timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("LeBron James", "lebronjames"),
        ("Bogdan Bogdanović", "bogdanbogdanovic"),
        ("Dennis Schröder", "dennisschroder"),
        ("Kristaps Porziņģis", "kristapsporzingis"),
        ("D'Angelo Russell", "dangelorussell"),
        ("A.J. Lawson", "ajlawson"),
        ("Kelly Oubre Jr.", "kellyoubrejr"),
        ("Robert Williams III", "robertwilliamsiii"),
        ("Shai Gilgeous-Alexander", "shaigilgeousalexander"),
        ("Luka Dončić", "lukadoncic"),
        ("Ömer Aş\u0131k", "omerasik"),
    ],
)
def test_a_lookup_is_the_lower_case_name_without_accents_spaces_and_punctuation(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_the_ids_of_two_sources_lead_to_one_person() -> None:
    lookups = Lookups()
    assert lookups.assign("Dennis Schröder", "TOR", "nba:203471", DAY) == "dennisschroder"
    assert lookups.assign("Dennis Schroder", "TOR", "bdl:408", DAY) == "dennisschroder"
    assert lookups.assign("Dennis Schröder", "BKN", "nba:203471", NEXT) == "dennisschroder"


def test_a_second_person_of_a_name_gets_his_team_and_a_third_a_number() -> None:
    lookups = Lookups()
    assert lookups.assign("Chris Smith", "DET", "nba:1", DAY) == "chrissmith"
    assert lookups.assign("Chris Smith", "BOS", "nba:2", DAY) == "chrissmithbos"
    assert lookups.assign("Chris Smith", "BOS", "nba:3", NEXT) == "chrissmithbos2"


def test_a_lookup_stays_when_the_player_changes_teams() -> None:
    lookups = Lookups()
    lookups.assign("Chris Smith", "DET", "nba:1", DAY)
    lookups.assign("Chris Smith", "BOS", "nba:2", DAY)
    assert lookups.assign("Chris Smith", "UTA", "nba:2", NEXT) == "chrissmithbos"
    assert lookups.assign("Chris Smith", "BOS", "nba:1", NEXT) == "chrissmith"


def test_an_id_of_another_kind_is_matched_by_team() -> None:
    lookups = Lookups()
    lookups.assign("Chris Smith", "DET", "nba:1", DAY)
    lookups.assign("Chris Smith", "BOS", "nba:2", DAY)
    assert lookups.assign("Chris Smith", "BOS", "bdl:77", NEXT) == "chrissmithbos"
    assert lookups.assign("Chris Smith", "DET", "bdl:78", NEXT) == "chrissmith"


def test_without_ids_two_teams_on_one_day_are_two_people() -> None:
    lookups = Lookups()
    assert lookups.assign("Chris Smith", "DET", None, DAY) == "chrissmith"
    assert lookups.assign("Chris Smith", "BOS", None, DAY) == "chrissmithbos"
    assert lookups.assign("Chris Smith", "DET", None, NEXT) == "chrissmith"


def test_what_was_assigned_is_remembered_by_a_later_process() -> None:
    later = Lookups()
    later.remember(
        [
            ("chrissmithbos", "Chris Smith", "BOS", "nba:2", DAY),
            ("chrissmith", "Chris Smith", "DET", "nba:1", DAY),
        ]
    )
    assert later.assign("Chris Smith", "BOS", "nba:2", DAY) == "chrissmithbos"
    assert later.assign("Chris Smith", "MIA", "nba:3", NEXT) == "chrissmithmia"
