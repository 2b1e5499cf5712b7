-- A player's season before @game_date, condensed: spread, weighted form and home and away means.
-- with: player_history, player_sums
SELECT
  season.player_lookup,
  SQRT(SAFE_DIVIDE(
    sums.games * sums.seconds_squared - sums.seconds * sums.seconds, 3600 * sums.games * (sums.games - 1)
  )) AS minutes_stddev_last_10,
  SAFE_DIVIDE(sums.seconds_weighted, 60 * sums.weights) AS minutes_avg_weighted,
  SQRT(SAFE_DIVIDE(
    sums.games * sums.points_squared - sums.points * sums.points, sums.games * (sums.games - 1)
  )) AS points_stddev_last_10,
  SAFE_DIVIDE(sums.points_weighted, sums.weights) AS points_avg_weighted,
  SQRT(SAFE_DIVIDE(
    sums.games * sums.rebounds_squared - sums.rebounds * sums.rebounds, sums.games * (sums.games - 1)
  )) AS rebounds_stddev_last_10,
  SAFE_DIVIDE(sums.rebounds_weighted, sums.weights) AS rebounds_avg_weighted,
  SQRT(SAFE_DIVIDE(
    sums.games * sums.assists_squared - sums.assists * sums.assists, sums.games * (sums.games - 1)
  )) AS assists_stddev_last_10,
  SAFE_DIVIDE(sums.assists_weighted, sums.weights) AS assists_avg_weighted,
  SQRT(SAFE_DIVIDE(
    sums.games * sums.steals_squared - sums.steals * sums.steals, sums.games * (sums.games - 1)
  )) AS steals_stddev_last_10,
  SAFE_DIVIDE(sums.steals_weighted, sums.weights) AS steals_avg_weighted,
  SQRT(SAFE_DIVIDE(
    sums.games * sums.blocks_squared - sums.blocks * sums.blocks, sums.games * (sums.games - 1)
  )) AS blocks_stddev_last_10,
  SAFE_DIVIDE(sums.blocks_weighted, sums.weights) AS blocks_avg_weighted,
  SQRT(SAFE_DIVIDE(
    sums.games * sums.turnovers_squared - sums.turnovers * sums.turnovers, sums.games * (sums.games - 1)
  )) AS turnovers_stddev_last_10,
  SAFE_DIVIDE(sums.turnovers_weighted, sums.weights) AS turnovers_avg_weighted,
  SQRT(SAFE_DIVIDE(
    sums.games * sums.three_made_squared - sums.three_made * sums.three_made, sums.games * (sums.games - 1)
  )) AS three_made_stddev_last_10,
  SAFE_DIVIDE(sums.three_made_weighted, sums.weights) AS three_made_avg_weighted,
  season.points_avg_home, season.points_avg_away, season.points_last_game,
  season.plays_per_36_last_5, season.plays_per_36_season, season.ts_pct_last_10
FROM player_sums AS sums
JOIN (
  SELECT
    player_lookup,
    SAFE_DIVIDE(SUM(IF(home_game, points, 0)), COUNTIF(home_game)) AS points_avg_home,
    SAFE_DIVIDE(SUM(IF(home_game, 0, points)), COUNTIF(NOT home_game)) AS points_avg_away,
    MAX(IF(recency = 1, points, NULL)) AS points_last_game,
    SAFE_DIVIDE(
      108 * SUM(IF(recency <= 5, 100 * (fg_attempted + turnovers) + 44 * ft_attempted, 0)),
      5 * SUM(IF(recency <= 5, seconds, 0))
    ) AS plays_per_36_last_5,
    SAFE_DIVIDE(108 * SUM(100 * (fg_attempted + turnovers) + 44 * ft_attempted), 5 * SUM(seconds))
      AS plays_per_36_season,
    SAFE_DIVIDE(
      50 * SUM(IF(recency <= 10, points, 0)), SUM(IF(recency <= 10, 100 * fg_attempted + 44 * ft_attempted, 0))
    ) AS ts_pct_last_10
  FROM player_history
  GROUP BY player_lookup
) AS season ON season.player_lookup = sums.player_lookup
