-- What the players of a team add up to by zone in a game of the season: nothing here depends on a day.
-- with: player_lines
SELECT
  season, game_date, game_id, opponent_team_abbr,
  SUM(fg_attempted) AS fg_attempted,
  SUM(fg_attempted - three_attempted) AS two_attempted,
  SUM(three_attempted) AS three_attempted,
  SUM(ft_attempted) AS ft_attempted,
  SUM(fg_made - three_made) AS two_made,
  SUM(three_made) AS three_made,
  SUM(ft_made) AS ft_made
FROM player_lines
WHERE counted IS NOT NULL
GROUP BY season, game_date, game_id, opponent_team_abbr
