-- One row per team and game that is over, of the 365 days before each of the days and of the days. Preseason games are
-- no history. `counted` is NULL in the cup final, which is in no average, and 1 in all others. Nothing here depends on a
-- day, so that it is computed once for all of them.
-- reads: nba_raw.games -365..0
SELECT
  game_date, game_id, season, home_team_abbr AS team_abbr, away_team_abbr AS opponent_team_abbr,
  TRUE AS home_game, home_points AS points, away_points AS points_allowed, periods,
  IF(season_type = 'cup', NULL, 1) AS counted, COALESCE(season_type, 'regular') <> 'preseason' AS is_history
FROM nba_raw.games
WHERE game_date BETWEEN DATE_SUB(@first, INTERVAL 365 DAY) AND @last AND game_status = 'final'
UNION ALL
SELECT
  game_date, game_id, season, away_team_abbr AS team_abbr, home_team_abbr AS opponent_team_abbr,
  FALSE AS home_game, away_points AS points, home_points AS points_allowed, periods,
  IF(season_type = 'cup', NULL, 1) AS counted, COALESCE(season_type, 'regular') <> 'preseason' AS is_history
FROM nba_raw.games
WHERE game_date BETWEEN DATE_SUB(@first, INTERVAL 365 DAY) AND @last AND game_status = 'final'
