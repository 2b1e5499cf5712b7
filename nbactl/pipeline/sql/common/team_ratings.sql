-- A team's ratings and pace over the season before each of the days, from its games with known possessions.
-- with: season_box
SELECT
  day, team_abbr,
  COUNT(*) AS complete_games,
  SAFE_DIVIDE(10000 * SUM(points), SUM(possession_hundredths)) AS offensive_rating_season,
  SAFE_DIVIDE(10000 * SUM(points_allowed), SUM(possession_hundredths)) AS defensive_rating_season,
  SAFE_DIVIDE(240 * SUM(possession_hundredths), 100 * SUM(team_minutes)) AS pace_season
FROM season_box
GROUP BY day, team_abbr
