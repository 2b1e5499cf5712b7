-- A player's season before @game_date, condensed: spread, weighted form and home and away means.
-- with: player_history
SELECT
  player_lookup,
  ROUND(STDDEV_SAMP(IF(recency <= 10, seconds, NULL)) / 60, 6) AS minutes_stddev_last_10,
  ROUND(SUM(weight * seconds) / SUM(weight) / 60, 6) AS minutes_avg_weighted,
  ROUND(STDDEV_SAMP(IF(recency <= 10, points, NULL)), 6) AS points_stddev_last_10,
  ROUND(SUM(weight * points) / SUM(weight), 6) AS points_avg_weighted,
  ROUND(STDDEV_SAMP(IF(recency <= 10, rebounds, NULL)), 6) AS rebounds_stddev_last_10,
  ROUND(SUM(weight * rebounds) / SUM(weight), 6) AS rebounds_avg_weighted,
  ROUND(STDDEV_SAMP(IF(recency <= 10, assists, NULL)), 6) AS assists_stddev_last_10,
  ROUND(SUM(weight * assists) / SUM(weight), 6) AS assists_avg_weighted,
  ROUND(STDDEV_SAMP(IF(recency <= 10, steals, NULL)), 6) AS steals_stddev_last_10,
  ROUND(SUM(weight * steals) / SUM(weight), 6) AS steals_avg_weighted,
  ROUND(STDDEV_SAMP(IF(recency <= 10, blocks, NULL)), 6) AS blocks_stddev_last_10,
  ROUND(SUM(weight * blocks) / SUM(weight), 6) AS blocks_avg_weighted,
  ROUND(STDDEV_SAMP(IF(recency <= 10, turnovers, NULL)), 6) AS turnovers_stddev_last_10,
  ROUND(SUM(weight * turnovers) / SUM(weight), 6) AS turnovers_avg_weighted,
  ROUND(STDDEV_SAMP(IF(recency <= 10, three_made, NULL)), 6) AS three_made_stddev_last_10,
  ROUND(SUM(weight * three_made) / SUM(weight), 6) AS three_made_avg_weighted,
  AVG(IF(home_game, points, NULL)) AS points_avg_home,
  AVG(IF(home_game, NULL, points)) AS points_avg_away,
  MAX(IF(recency = 1, points, NULL)) AS points_last_game,
  SAFE_DIVIDE(
    2160 * SUM(IF(recency <= 5, fg_attempted + turnovers, 0)) + 950.4 * SUM(IF(recency <= 5, ft_attempted, 0)),
    SUM(IF(recency <= 5, seconds, 0))
  ) AS plays_per_36_last_5,
  SAFE_DIVIDE(2160 * SUM(fg_attempted + turnovers) + 950.4 * SUM(ft_attempted), SUM(seconds)) AS plays_per_36_season,
  SAFE_DIVIDE(
    SUM(IF(recency <= 10, points, 0)),
    2 * (SUM(IF(recency <= 10, fg_attempted, 0)) + 0.44 * SUM(IF(recency <= 10, ft_attempted, 0)))
  ) AS ts_pct_last_10
FROM (
  SELECT
    *,
    IF(recency <= 20, POW(0.85, recency - 1), 0) AS weight
  FROM player_history
)
GROUP BY player_lookup
