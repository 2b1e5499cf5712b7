-- A player's form before @game_date, in that season only: means over the last 5, the last 10 and all games.
-- with: player_history
SELECT
  player_lookup,
  COUNT(*) AS games_played,
  SAFE_DIVIDE(SUM(IF(recency <= 5, seconds, 0)), 60 * COUNTIF(recency <= 5)) AS minutes_avg_last_5,
  SAFE_DIVIDE(SUM(IF(recency <= 10, seconds, 0)), 60 * COUNTIF(recency <= 10)) AS minutes_avg_last_10,
  SAFE_DIVIDE(SUM(seconds), 60 * COUNT(*)) AS minutes_avg_season,
  SAFE_DIVIDE(SUM(IF(recency <= 5, points, 0)), COUNTIF(recency <= 5)) AS points_avg_last_5,
  SAFE_DIVIDE(SUM(IF(recency <= 10, points, 0)), COUNTIF(recency <= 10)) AS points_avg_last_10,
  SAFE_DIVIDE(SUM(points), COUNT(*)) AS points_avg_season,
  SAFE_DIVIDE(SUM(IF(recency <= 5, rebounds, 0)), COUNTIF(recency <= 5)) AS rebounds_avg_last_5,
  SAFE_DIVIDE(SUM(IF(recency <= 10, rebounds, 0)), COUNTIF(recency <= 10)) AS rebounds_avg_last_10,
  SAFE_DIVIDE(SUM(rebounds), COUNT(*)) AS rebounds_avg_season,
  SAFE_DIVIDE(SUM(IF(recency <= 5, assists, 0)), COUNTIF(recency <= 5)) AS assists_avg_last_5,
  SAFE_DIVIDE(SUM(IF(recency <= 10, assists, 0)), COUNTIF(recency <= 10)) AS assists_avg_last_10,
  SAFE_DIVIDE(SUM(assists), COUNT(*)) AS assists_avg_season,
  SAFE_DIVIDE(SUM(IF(recency <= 5, steals, 0)), COUNTIF(recency <= 5)) AS steals_avg_last_5,
  SAFE_DIVIDE(SUM(IF(recency <= 10, steals, 0)), COUNTIF(recency <= 10)) AS steals_avg_last_10,
  SAFE_DIVIDE(SUM(steals), COUNT(*)) AS steals_avg_season,
  SAFE_DIVIDE(SUM(IF(recency <= 5, blocks, 0)), COUNTIF(recency <= 5)) AS blocks_avg_last_5,
  SAFE_DIVIDE(SUM(IF(recency <= 10, blocks, 0)), COUNTIF(recency <= 10)) AS blocks_avg_last_10,
  SAFE_DIVIDE(SUM(blocks), COUNT(*)) AS blocks_avg_season,
  SAFE_DIVIDE(SUM(IF(recency <= 5, turnovers, 0)), COUNTIF(recency <= 5)) AS turnovers_avg_last_5,
  SAFE_DIVIDE(SUM(IF(recency <= 10, turnovers, 0)), COUNTIF(recency <= 10)) AS turnovers_avg_last_10,
  SAFE_DIVIDE(SUM(turnovers), COUNT(*)) AS turnovers_avg_season,
  SAFE_DIVIDE(SUM(IF(recency <= 5, three_made, 0)), COUNTIF(recency <= 5)) AS three_made_avg_last_5,
  SAFE_DIVIDE(SUM(IF(recency <= 10, three_made, 0)), COUNTIF(recency <= 10)) AS three_made_avg_last_10,
  SAFE_DIVIDE(SUM(three_made), COUNT(*)) AS three_made_avg_season,
  SAFE_DIVIDE(50 * SUM(points), SUM(100 * fg_attempted + 44 * ft_attempted)) AS ts_pct_season,
  SAFE_DIVIDE(SUM(2 * fg_made + three_made), 2 * SUM(fg_attempted)) AS efg_pct_season
FROM player_history
GROUP BY player_lookup
