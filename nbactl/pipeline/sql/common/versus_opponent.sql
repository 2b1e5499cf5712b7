-- What players did against each team in the two years before @game_date, for all players at once.
-- reads: nba_raw.player_boxscores -730..-1
SELECT
  player_lookup, opponent_team_abbr,
  COUNT(*) AS games,
  AVG(points) AS points_avg, AVG(rebounds) AS rebounds_avg, AVG(assists) AS assists_avg
FROM nba_raw.player_boxscores
WHERE game_date BETWEEN DATE_SUB(@game_date, INTERVAL 730 DAY) AND DATE_SUB(@game_date, INTERVAL 1 DAY)
GROUP BY player_lookup, opponent_team_abbr
