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


def test_one_id_is_one_person_whatever_the_spelling() -> None:
    lookups = Lookups()
    lookups.assign("Victor Sample", "BOS", "nba:7", DAY)
    assert lookups.assign("Victor Other", "BOS", "nba:7", NEXT) == "victorsample"
    assert lookups.assign("Victor Other", "HOU", "nba:7", NEXT + timedelta(days=1)) == "victorsample"


def test_an_id_with_two_names_on_one_day_is_a_slip_and_two_people() -> None:
    lookups = Lookups()
    lookups.assign("Robert Sample", "BOS", "nba:7", DAY)
    assert lookups.assign("Victor Else", "BOS", "nba:7", DAY) == "victorelse"
    assert lookups.assign("Rob Sample", "BOS", "nba:7", DAY) == "robertsample"


SPELLINGS = [
    ("Robert Sample III", "Robert Sample"),
    ("Robert Sample Jr.", "Robert Sample"),
    ("Robert Sample", "Robert Sample II"),
    ("Robert Šamplić III", "Robert Samplic"),
    ("Nicolas Sample", "Nic Sample"),
    ("Nic Sample", "Nicolas Sample"),
    ("Robert Van Sample Jr", "Rob Van Sample"),
]


@pytest.mark.parametrize(("league", "other"), SPELLINGS)
def test_in_one_team_two_kinds_of_ids_may_spell_a_person_in_two_ways(league: str, other: str) -> None:
    lookups = Lookups()
    lookups.assign(league, "BOS", "nba:1", DAY)
    lookups.meet([(other, "BOS", "bdl:9")])
    assert lookups.assign(other, "BOS", "bdl:9", NEXT) == plain_name(league)
    assert lookups.matched() == [f"'{other}' of BOS is taken for '{league}'"]
    assert lookups.unexplained(NEXT) == []
    assert lookups.assign(other, "MIA", "bdl:9", NEXT + timedelta(days=1)) == plain_name(league)


@pytest.mark.parametrize(
    ("known", "new", "team", "source_id"),
    [
        ("Robert Sample III", "Robert Sample", "MIA", "bdl:9"),  # another team
        ("Robert Sample III", "Robert Sample", "BOS", "nba:9"),  # the same kind of id
        ("Robert Sample III", "Robert Sample Jr.", "BOS", "bdl:9"),  # two suffixes
        ("Robert Sample", "Jo Sample", "BOS", "bdl:9"),
        ("Joseph Sample", "Jo Sample", "BOS", "bdl:9"),  # two letters begin too many names
    ],
)
def test_what_is_not_sure_is_not_matched(known: str, new: str, team: str, source_id: str) -> None:
    lookups = Lookups()
    lookups.assign(known, "BOS", "nba:1", DAY)
    lookups.meet([(new, team, source_id)])
    assert lookups.assign(new, team, source_id, NEXT) == plain_name(new)


def test_of_two_possible_people_neither_is_taken() -> None:
    lookups = Lookups()
    lookups.assign("Nicolas Sample", "BOS", "nba:1", DAY)
    lookups.assign("Nicholas Sample", "BOS", "nba:2", DAY)
    lookups.meet([("Nic Sample", "BOS", "bdl:9")])
    assert lookups.assign("Nic Sample", "BOS", "bdl:9", NEXT) == "nicsample"
    assert len(lookups.unexplained(NEXT)) == 2


def test_a_source_that_has_both_names_on_a_date_has_two_people() -> None:
    lookups = Lookups()
    lookups.assign("Robert Sample III", "BOS", "nba:1", DAY)
    both = [("Robert Sample", "BOS", "bdl:8"), ("Robert Sample III", "BOS", "bdl:9")]
    lookups.meet(both)
    assert [lookups.assign(name, team, number, NEXT) for name, team, number in both] == [
        "robertsample",
        "robertsampleiii",
    ]


def test_a_new_name_beside_a_vanished_one_is_reported() -> None:
    lookups = Lookups()
    lookups.assign("Nah'Shon Sample", "BOS", "nba:1", DAY)
    lookups.assign("Victor Other", "BOS", "nba:2", DAY)
    lookups.meet([("Bones Sample", "BOS", "bdl:9")])
    assert lookups.assign("Bones Sample", "BOS", "bdl:9", NEXT) == "bonessample"
    (sentence,) = lookups.unexplained(NEXT)
    assert "BOS 2024-01-16" in sentence
    assert "'Bones Sample,Nah'Shon Sample' to aliases.csv" in sentence


@pytest.mark.parametrize(
    ("known_id", "present"),
    [("nba:1", True), ("bdl:1", False)],
    ids=["he plays too", "his id is of the same kind"],
)
def test_a_new_name_is_not_reported_without_reason(known_id: str, present: bool) -> None:
    lookups = Lookups()
    lookups.assign("Nah'Shon Sample", "BOS", known_id, DAY)
    lookups.meet([("Bones Sample", "BOS", "bdl:9")])
    if present:
        lookups.assign("Nah'Shon Sample", "BOS", known_id, NEXT)
    lookups.assign("Bones Sample", "BOS", "bdl:9", NEXT)
    assert lookups.unexplained(NEXT) == []


def test_an_alias_joins_what_was_split_before() -> None:
    rows = [
        ("nahshonsample", "Nah'Shon Sample", "BOS", "nba:1", DAY),
        ("bonessample", "Bones Sample", "BOS", "bdl:9", DAY),
    ]
    aliases = {"bonessample": "nahshonsample"}
    lookups = Lookups(lambda plain, _: aliases.get(plain, plain))
    lookups.remember(rows)
    assert lookups.assign("Bones Sample", "BOS", "bdl:9", NEXT) == "nahshonsample"
    assert lookups.assign("Nah'Shon Sample", "BOS", "nba:1", NEXT) == "nahshonsample"
