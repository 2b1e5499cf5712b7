-- A player's form before @game_date, in that season only: means over the last 5, the last 10 and all games.
-- with: player_history
SELECT
  player_lookup,
  COUNT(*) AS games_played,
  AVG(IF(recency <= 5, seconds, NULL)) / 60 AS minutes_avg_last_5,
  AVG(IF(recency <= 10, seconds, NULL)) / 60 AS minutes_avg_last_10,
  AVG(seconds) / 60 AS minutes_avg_season,
  AVG(IF(recency <= 5, points, NULL)) AS points_avg_last_5,
  AVG(IF(recency <= 10, points, NULL)) AS points_avg_last_10,
  AVG(points) AS points_avg_season,
  AVG(IF(recency <= 5, rebounds, NULL)) AS rebounds_avg_last_5,
  AVG(IF(recency <= 10, rebounds, NULL)) AS rebounds_avg_last_10,
  AVG(rebounds) AS rebounds_avg_season,
  AVG(IF(recency <= 5, assists, NULL)) AS assists_avg_last_5,
  AVG(IF(recency <= 10, assists, NULL)) AS assists_avg_last_10,
  AVG(assists) AS assists_avg_season,
  AVG(IF(recency <= 5, steals, NULL)) AS steals_avg_last_5,
  AVG(IF(recency <= 10, steals, NULL)) AS steals_avg_last_10,
  AVG(steals) AS steals_avg_season,
  AVG(IF(recency <= 5, blocks, NULL)) AS blocks_avg_last_5,
  AVG(IF(recency <= 10, blocks, NULL)) AS blocks_avg_last_10,
  AVG(blocks) AS blocks_avg_season,
  AVG(IF(recency <= 5, turnovers, NULL)) AS turnovers_avg_last_5,
  AVG(IF(recency <= 10, turnovers, NULL)) AS turnovers_avg_last_10,
  AVG(turnovers) AS turnovers_avg_season,
  AVG(IF(recency <= 5, three_made, NULL)) AS three_made_avg_last_5,
  AVG(IF(recency <= 10, three_made, NULL)) AS three_made_avg_last_10,
  AVG(three_made) AS three_made_avg_season,
  SAFE_DIVIDE(SUM(points), 2 * (SUM(fg_attempted) + 0.44 * SUM(ft_attempted))) AS ts_pct_season,
  SAFE_DIVIDE(SUM(fg_made) + 0.5 * SUM(three_made), SUM(fg_attempted)) AS efg_pct_season
FROM player_history
GROUP BY player_lookup
