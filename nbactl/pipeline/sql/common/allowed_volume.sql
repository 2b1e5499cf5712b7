-- Attempts that each team allowed a game in the season before @game_date, from complete box scores only.
-- with: season_box
SELECT
  opponent_team_abbr AS team_abbr,
  COUNT(*) AS complete_games,
  AVG(fg_attempted - three_attempted) AS two_attempts,
  AVG(three_attempted) AS three_attempts,
  AVG(ft_attempted) AS ft_attempts
FROM season_box
GROUP BY opponent_team_abbr
