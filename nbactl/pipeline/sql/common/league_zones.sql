-- The league's shooting by zone in the season before each of the days: all player rows together, one row for a day.
-- with: player_history, days
SELECT
  days.day,
  SAFE_DIVIDE(SUM(history.three_attempted), SUM(history.fg_attempted)) AS three_attempt_share,
  SAFE_DIVIDE(SUM(history.ft_attempted), SUM(history.fg_attempted)) AS ft_attempt_rate,
  SAFE_DIVIDE(
    SUM(history.fg_made - history.three_made), SUM(history.fg_attempted - history.three_attempted)
  ) AS two_pct,
  SAFE_DIVIDE(SUM(history.three_made), SUM(history.three_attempted)) AS three_pct,
  SAFE_DIVIDE(SUM(history.ft_made), SUM(history.ft_attempted)) AS ft_pct
FROM days
LEFT JOIN player_history AS history ON history.day = days.day AND history.counted IS NOT NULL
GROUP BY days.day
