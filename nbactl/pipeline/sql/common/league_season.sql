-- The league's scoring and pace in the season before @game_date: one row.
-- with: team_results, season_box
SELECT scoring.points_avg, tempo.pace
FROM (
  SELECT ROUND(SUM(points_avg_season * games_played) / SUM(games_played), 6) AS points_avg FROM team_results
) AS scoring
CROSS JOIN (
  SELECT ROUND(240 * SUM(possessions) / SUM(team_minutes), 6) AS pace FROM season_box
) AS tempo
