-- Attempts that each team allowed a game in the season before each of the days, from complete box scores only.
-- with: season_box
SELECT
  day, opponent_team_abbr AS team_abbr,
  COUNT(*) AS complete_games,
  SAFE_DIVIDE(SUM(fg_attempted - three_attempted), COUNT(*)) AS two_attempts,
  SAFE_DIVIDE(SUM(three_attempted), COUNT(*)) AS three_attempts,
  SAFE_DIVIDE(SUM(ft_attempted), COUNT(*)) AS ft_attempts
FROM season_box
GROUP BY day, opponent_team_abbr
