-- The league's scoring and pace in the season before each of the days: one row for a day.
-- with: team_games, current_season, season_box, days
SELECT days.day, scoring.points_avg, tempo.pace
FROM days
LEFT JOIN (
  SELECT game.day, SAFE_DIVIDE(SUM(game.points), COUNT(game.points)) AS points_avg
  FROM team_games AS game
  JOIN current_season ON current_season.day = game.day AND current_season.season = game.season
  WHERE game.game_date < game.day AND game.counted IS NOT NULL
  GROUP BY game.day
) AS scoring ON scoring.day = days.day
LEFT JOIN (
  SELECT day, SAFE_DIVIDE(240 * SUM(possession_hundredths), 100 * SUM(team_minutes)) AS pace
  FROM season_box
  GROUP BY day
) AS tempo ON tempo.day = days.day
