-- How each player shot by zone in the season before each of the days.
-- with: player_history
SELECT
  day, player_lookup,
  SUM(fg_attempted) AS fg_attempted,
  SUM(ft_attempted) AS ft_attempted,
  SAFE_DIVIDE(SUM(fg_attempted - three_attempted), SUM(fg_attempted)) AS two_attempt_share,
  SAFE_DIVIDE(SUM(three_attempted), SUM(fg_attempted)) AS three_attempt_share,
  SAFE_DIVIDE(SUM(ft_attempted), SUM(fg_attempted)) AS ft_attempt_rate,
  SAFE_DIVIDE(SUM(fg_made - three_made), SUM(fg_attempted - three_attempted)) AS two_pct,
  SAFE_DIVIDE(SUM(three_made), SUM(three_attempted)) AS three_pct,
  SAFE_DIVIDE(SUM(ft_made), SUM(ft_attempted)) AS ft_pct,
  SAFE_DIVIDE(2 * SUM(fg_made - three_made), SUM(points)) AS two_points_share,
  SAFE_DIVIDE(3 * SUM(three_made), SUM(points)) AS three_points_share,
  SAFE_DIVIDE(SUM(ft_made), SUM(points)) AS ft_points_share,
  SAFE_DIVIDE(SUM(last_10 * three_attempted), SUM(last_10 * fg_attempted)) AS three_attempt_share_last_10,
  SAFE_DIVIDE(SUM(last_10 * (fg_made - three_made)), SUM(last_10 * (fg_attempted - three_attempted)))
    AS two_pct_last_10,
  SAFE_DIVIDE(SUM(last_10 * three_made), SUM(last_10 * three_attempted)) AS three_pct_last_10
FROM player_history
WHERE counted IS NOT NULL
GROUP BY day, player_lookup
