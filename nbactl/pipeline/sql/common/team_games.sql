-- One row per day, team and game of the last 365 days up to that day. Preseason games are no history, nor are games
-- that were not played on their day. `counted` is NULL in the cup final, which is in no average, and 1 in all others.
-- with: days
-- reads: nba_raw.games -365..0
SELECT
  days.day, game.game_date, game.game_id, game.season,
  game.home_team_abbr AS team_abbr, game.away_team_abbr AS opponent_team_abbr,
  TRUE AS home_game, game.home_points AS points, game.away_points AS points_allowed, game.periods,
  game.game_status = 'final' AS played, IF(game.season_type = 'cup', NULL, 1) AS counted
FROM days
JOIN nba_raw.games AS game
  ON game.game_date BETWEEN DATE_SUB(@first, INTERVAL 365 DAY) AND @last
  AND game.game_date BETWEEN DATE_SUB(days.day, INTERVAL 365 DAY) AND days.day
WHERE (game.game_date = days.day AND game.game_status NOT IN ('postponed', 'cancelled', 'forfeited'))
  OR (game.game_status = 'final' AND COALESCE(game.season_type, 'regular') <> 'preseason')
UNION ALL
SELECT
  days.day, game.game_date, game.game_id, game.season,
  game.away_team_abbr AS team_abbr, game.home_team_abbr AS opponent_team_abbr,
  FALSE AS home_game, game.away_points AS points, game.home_points AS points_allowed, game.periods,
  game.game_status = 'final' AS played, IF(game.season_type = 'cup', NULL, 1) AS counted
FROM days
JOIN nba_raw.games AS game
  ON game.game_date BETWEEN DATE_SUB(@first, INTERVAL 365 DAY) AND @last
  AND game.game_date BETWEEN DATE_SUB(days.day, INTERVAL 365 DAY) AND days.day
WHERE (game.game_date = days.day AND game.game_status NOT IN ('postponed', 'cancelled', 'forfeited'))
  OR (game.game_status = 'final' AND COALESCE(game.season_type, 'regular') <> 'preseason')
