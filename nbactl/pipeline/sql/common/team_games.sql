-- One row per team and game of the last 365 days up to @game_date. Preseason games are no history, nor are games
-- that were not played on their day. `counted` is NULL in the cup final, which is in no average, and 1 in all others.
-- reads: nba_raw.games -365..0
SELECT
  game_date, game_id, season, home_team_abbr AS team_abbr, away_team_abbr AS opponent_team_abbr,
  TRUE AS home_game, home_points AS points, away_points AS points_allowed, periods,
  game_status = 'final' AS played, IF(season_type = 'cup', NULL, 1) AS counted
FROM nba_raw.games
WHERE game_date BETWEEN DATE_SUB(@game_date, INTERVAL 365 DAY) AND @game_date
  AND (
    (game_date = @game_date AND game_status NOT IN ('postponed', 'cancelled', 'forfeited'))
    OR (game_status = 'final' AND COALESCE(season_type, 'regular') <> 'preseason')
  )
UNION ALL
SELECT
  game_date, game_id, season, away_team_abbr, home_team_abbr,
  FALSE, away_points, home_points, periods,
  game_status = 'final', IF(season_type = 'cup', NULL, 1)
FROM nba_raw.games
WHERE game_date BETWEEN DATE_SUB(@game_date, INTERVAL 365 DAY) AND @game_date
  AND (
    (game_date = @game_date AND game_status NOT IN ('postponed', 'cancelled', 'forfeited'))
    OR (game_status = 'final' AND COALESCE(season_type, 'regular') <> 'preseason')
  )
