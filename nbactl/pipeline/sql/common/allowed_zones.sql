-- How the opponents of each team shot in the season before each of the days, as far as player rows cover them.
-- with: zone_sums, current_season
SELECT
  current_season.day, zone.opponent_team_abbr AS team_abbr,
  COUNT(DISTINCT zone.game_id) AS games,
  SUM(zone.fg_attempted) AS fg_attempted,
  SAFE_DIVIDE(SUM(zone.two_attempted), SUM(zone.fg_attempted)) AS two_attempt_share,
  SAFE_DIVIDE(SUM(zone.three_attempted), SUM(zone.fg_attempted)) AS three_attempt_share,
  SAFE_DIVIDE(SUM(zone.ft_attempted), SUM(zone.fg_attempted)) AS ft_attempt_rate,
  SAFE_DIVIDE(SUM(zone.two_made), SUM(zone.two_attempted)) AS two_pct,
  SAFE_DIVIDE(SUM(zone.three_made), SUM(zone.three_attempted)) AS three_pct
FROM current_season
JOIN zone_sums AS zone
  ON zone.season = current_season.season
  AND zone.game_date BETWEEN DATE_SUB(current_season.day, INTERVAL 365 DAY)
    AND DATE_SUB(current_season.day, INTERVAL 1 DAY)
GROUP BY current_season.day, zone.opponent_team_abbr
