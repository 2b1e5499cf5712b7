-- What the player rows of a team add up to in a game, however many of its players the source has.
-- reads: nba_raw.player_boxscores -365..0
SELECT
  game_date, game_id, team_abbr,
  COUNT(*) AS player_rows,
  SUM(CAST(ROUND(minutes * 60) AS INT64)) AS player_seconds,
  MAX(CAST(ROUND(minutes * 60) AS INT64)) AS longest_seconds,
  SUM(points) AS player_points,
  SUM(fg_made) AS fg_made, SUM(fg_attempted) AS fg_attempted,
  SUM(three_made) AS three_made, SUM(three_attempted) AS three_attempted,
  SUM(ft_made) AS ft_made, SUM(ft_attempted) AS ft_attempted,
  SUM(rebounds) AS rebounds,
  IF(COUNT(offensive_rebounds) = COUNT(*), SUM(offensive_rebounds), NULL) AS offensive_rebounds,
  IF(COUNT(defensive_rebounds) = COUNT(*), SUM(defensive_rebounds), NULL) AS defensive_rebounds,
  SUM(assists) AS assists, SUM(steals) AS steals, SUM(blocks) AS blocks, SUM(turnovers) AS turnovers,
  IF(COUNT(personal_fouls) = COUNT(*), SUM(personal_fouls), NULL) AS personal_fouls
FROM nba_raw.player_boxscores
WHERE game_date BETWEEN DATE_SUB(@first, INTERVAL 365 DAY) AND @last
GROUP BY game_date, game_id, team_abbr
