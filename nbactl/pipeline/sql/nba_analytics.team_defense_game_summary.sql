-- What each team allowed on each of the days, and what its defence did. docs/definitions.md has the formulas.
-- with: team_box
-- reads only: nba_raw.games 0..0
-- reads only: nba_raw.player_boxscores 0..0
SELECT
  own.game_date, own.game_id, own.season, own.team_abbr, own.opponent_team_abbr, own.home_game,
  own.points, own.points_allowed, own.points > own.points_allowed AS won, own.periods,
  own.minutes_coverage, own.box_complete,
  opponent.minutes_coverage AS opponent_minutes_coverage, opponent.box_complete AS opponent_box_complete,
  opponent.fg_made AS fg_made_allowed, opponent.fg_attempted AS fg_attempted_allowed,
  opponent.three_made AS three_made_allowed, opponent.three_attempted AS three_attempted_allowed,
  opponent.ft_made AS ft_made_allowed, opponent.ft_attempted AS ft_attempted_allowed,
  opponent.rebounds AS rebounds_allowed, opponent.offensive_rebounds AS offensive_rebounds_allowed,
  opponent.assists AS assists_allowed,
  opponent.turnovers AS turnovers_forced,
  own.defensive_rebounds, own.steals, own.blocks, own.personal_fouls,
  own.possession_hundredths / 100 AS possessions,
  SAFE_DIVIDE(10000 * own.points_allowed, own.possession_hundredths) AS defensive_rating,
  SAFE_DIVIDE(50 * opponent.points, 100 * opponent.fg_attempted + 44 * opponent.ft_attempted) AS ts_pct_allowed,
  SAFE_DIVIDE(2 * opponent.fg_made + opponent.three_made, 2 * opponent.fg_attempted) AS efg_pct_allowed,
  SAFE_DIVIDE(
    100 * opponent.turnovers, 100 * (opponent.fg_attempted + opponent.turnovers) + 44 * opponent.ft_attempted
  ) AS turnover_pct_forced,
  SAFE_DIVIDE(own.defensive_rebounds, own.defensive_rebounds + opponent.offensive_rebounds)
    AS defensive_rebound_pct,
  SAFE_DIVIDE(opponent.ft_made, opponent.fg_attempted) AS ft_rate_allowed
FROM team_box AS own
JOIN team_box AS opponent
  ON opponent.game_date = own.game_date AND opponent.game_id = own.game_id
  AND opponent.team_abbr = own.opponent_team_abbr
