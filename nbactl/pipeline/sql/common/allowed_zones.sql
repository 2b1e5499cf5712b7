-- How the opponents of each team shot in the season before each of the days, as far as player rows cover them.
-- with: player_history
SELECT
  day, opponent_team_abbr AS team_abbr,
  COUNT(DISTINCT game_id) AS games,
  SUM(fg_attempted) AS fg_attempted,
  SAFE_DIVIDE(SUM(fg_attempted - three_attempted), SUM(fg_attempted)) AS two_attempt_share,
  SAFE_DIVIDE(SUM(three_attempted), SUM(fg_attempted)) AS three_attempt_share,
  SAFE_DIVIDE(SUM(ft_attempted), SUM(fg_attempted)) AS ft_attempt_rate,
  SAFE_DIVIDE(SUM(fg_made - three_made), SUM(fg_attempted - three_attempted)) AS two_pct,
  SAFE_DIVIDE(SUM(three_made), SUM(three_attempted)) AS three_pct
FROM player_history
WHERE counted IS NOT NULL
GROUP BY day, opponent_team_abbr
