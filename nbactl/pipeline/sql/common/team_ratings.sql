-- A team's ratings and pace over the season before @game_date, from its games with known possessions.
-- with: season_box
SELECT
  team_abbr,
  COUNT(*) AS complete_games,
  ROUND(100 * SUM(points) / SUM(possessions), 6) AS offensive_rating_season,
  ROUND(100 * SUM(points_allowed) / SUM(possessions), 6) AS defensive_rating_season,
  ROUND(240 * SUM(possessions) / SUM(team_minutes), 6) AS pace_season
FROM season_box
GROUP BY team_abbr
