-- The league's scoring and pace in the season before @game_date: one row.
-- with: team_games, current_season, season_box
SELECT scoring.points_avg, tempo.pace
FROM (
  SELECT AVG(game.points) AS points_avg
  FROM team_games AS game
  JOIN current_season ON current_season.season = game.season
  WHERE game.game_date < @game_date AND game.counted
) AS scoring
CROSS JOIN (
  SELECT ROUND(240 * SUM(possessions) / SUM(team_minutes), 6) AS pace FROM season_box
) AS tempo
