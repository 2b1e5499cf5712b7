-- The league's shooting by zone in the season before each of the days: all player rows together, one row for a day.
-- with: zone_sums, current_season
SELECT
  current_season.day,
  SAFE_DIVIDE(SUM(zone.three_attempted), SUM(zone.fg_attempted)) AS three_attempt_share,
  SAFE_DIVIDE(SUM(zone.ft_attempted), SUM(zone.fg_attempted)) AS ft_attempt_rate,
  SAFE_DIVIDE(SUM(zone.two_made), SUM(zone.two_attempted)) AS two_pct,
  SAFE_DIVIDE(SUM(zone.three_made), SUM(zone.three_attempted)) AS three_pct,
  SAFE_DIVIDE(SUM(zone.ft_made), SUM(zone.ft_attempted)) AS ft_pct
FROM current_season
LEFT JOIN zone_sums AS zone
  ON zone.season = current_season.season
  AND zone.game_date BETWEEN DATE_SUB(current_season.day, INTERVAL 365 DAY)
    AND DATE_SUB(current_season.day, INTERVAL 1 DAY)
GROUP BY current_season.day
