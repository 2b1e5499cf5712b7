-- The league's shooting by zone in the season before @game_date: all player rows together, one row.
-- with: player_history
SELECT
  SAFE_DIVIDE(SUM(three_attempted), SUM(fg_attempted)) AS three_attempt_share,
  SAFE_DIVIDE(SUM(ft_attempted), SUM(fg_attempted)) AS ft_attempt_rate,
  SAFE_DIVIDE(SUM(fg_made - three_made), SUM(fg_attempted - three_attempted)) AS two_pct,
  SAFE_DIVIDE(SUM(three_made), SUM(three_attempted)) AS three_pct,
  SAFE_DIVIDE(SUM(ft_made), SUM(ft_attempted)) AS ft_pct
FROM player_history
WHERE counted IS NOT NULL
