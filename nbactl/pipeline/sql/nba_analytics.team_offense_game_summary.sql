-- What each team scored on each of the days, and how. docs/definitions.md has the formulas.
-- with: team_box
-- reads only: nba_raw.games 0..0
-- reads only: nba_raw.player_boxscores 0..0
SELECT
  own.game_date, own.game_id, own.season, own.team_abbr, own.opponent_team_abbr, own.home_game,
  own.points, own.points_allowed, own.points > own.points_allowed AS won, own.periods,
  own.player_rows, own.player_points, own.minutes_coverage, own.box_complete,
  own.fg_made, own.fg_attempted, own.three_made, own.three_attempted, own.ft_made, own.ft_attempted,
  own.rebounds, own.offensive_rebounds, own.defensive_rebounds,
  own.assists, own.turnovers,
  own.possession_hundredths / 100 AS possessions,
  SAFE_DIVIDE(240 * own.possession_hundredths, 100 * own.team_minutes) AS pace,
  SAFE_DIVIDE(10000 * own.points, own.possession_hundredths) AS offensive_rating,
  SAFE_DIVIDE(50 * own.points, 100 * own.fg_attempted + 44 * own.ft_attempted) AS ts_pct,
  SAFE_DIVIDE(2 * own.fg_made + own.three_made, 2 * own.fg_attempted) AS efg_pct,
  SAFE_DIVIDE(100 * own.turnovers, 100 * (own.fg_attempted + own.turnovers) + 44 * own.ft_attempted) AS turnover_pct,
  SAFE_DIVIDE(own.offensive_rebounds, own.offensive_rebounds + opponent.defensive_rebounds)
    AS offensive_rebound_pct,
  SAFE_DIVIDE(own.ft_made, own.fg_attempted) AS ft_rate
FROM team_box AS own
JOIN team_box AS opponent
  ON opponent.game_date = own.game_date AND opponent.game_id = own.game_id
  AND opponent.team_abbr = own.opponent_team_abbr
