-- The league's scoring and pace in the season before @game_date: one row.
-- with: team_games, current_season, season_box
SELECT scoring.points_avg, tempo.pace
FROM (
  SELECT SAFE_DIVIDE(SUM(game.points), COUNT(game.points)) AS points_avg
  FROM team_games AS game
  JOIN current_season ON current_season.season = game.season
  WHERE game.game_date < @game_date AND game.counted IS NOT NULL
) AS scoring
CROSS JOIN (
  SELECT SAFE_DIVIDE(240 * SUM(possession_hundredths), 100 * SUM(team_minutes)) AS pace FROM season_box
) AS tempo
