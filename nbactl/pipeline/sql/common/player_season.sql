-- A player's season before each of the days, condensed: load, spread, weighted form and home and away means.
-- The weights of the last twenty games, 0.85 a game back, are whole numbers of 1e-11, so that every sum is exact.
-- with: player_history
SELECT
  day, player_lookup, games_last_14_days, back_to_backs_last_14_days,
  seconds_last_14_days / 60 AS minutes_last_14_days,
  SQRT(IEEE_DIVIDE(games_10 * seconds_squared - seconds_10 * seconds_10, 3600 * pairs_10)) AS minutes_stddev_last_10,
  IEEE_DIVIDE(seconds_weighted, 60 * weights) AS minutes_avg_weighted,
  SQRT(IEEE_DIVIDE(games_10 * points_squared - points_10 * points_10, pairs_10)) AS points_stddev_last_10,
  IEEE_DIVIDE(points_weighted, weights) AS points_avg_weighted,
  SQRT(IEEE_DIVIDE(games_10 * rebounds_squared - rebounds_10 * rebounds_10, pairs_10)) AS rebounds_stddev_last_10,
  IEEE_DIVIDE(rebounds_weighted, weights) AS rebounds_avg_weighted,
  SQRT(IEEE_DIVIDE(games_10 * assists_squared - assists_10 * assists_10, pairs_10)) AS assists_stddev_last_10,
  IEEE_DIVIDE(assists_weighted, weights) AS assists_avg_weighted,
  SQRT(IEEE_DIVIDE(games_10 * steals_squared - steals_10 * steals_10, pairs_10)) AS steals_stddev_last_10,
  IEEE_DIVIDE(steals_weighted, weights) AS steals_avg_weighted,
  SQRT(IEEE_DIVIDE(games_10 * blocks_squared - blocks_10 * blocks_10, pairs_10)) AS blocks_stddev_last_10,
  IEEE_DIVIDE(blocks_weighted, weights) AS blocks_avg_weighted,
  SQRT(IEEE_DIVIDE(games_10 * turnovers_squared - turnovers_10 * turnovers_10, pairs_10)) AS turnovers_stddev_last_10,
  IEEE_DIVIDE(turnovers_weighted, weights) AS turnovers_avg_weighted,
  SQRT(IEEE_DIVIDE(games_10 * three_made_squared - three_made_10 * three_made_10, pairs_10))
    AS three_made_stddev_last_10,
  IEEE_DIVIDE(three_made_weighted, weights) AS three_made_avg_weighted,
  IEEE_DIVIDE(points_home, games_home) AS points_avg_home,
  IEEE_DIVIDE(points_away, games_away) AS points_avg_away,
  points_last_game,
  SAFE_DIVIDE(108 * play_hundredths_5, 5 * seconds_5) AS plays_per_36_last_5,
  SAFE_DIVIDE(108 * play_hundredths, 5 * seconds) AS plays_per_36_season,
  SAFE_DIVIDE(50 * points_10, 100 * fg_attempted_10 + 44 * ft_attempted_10) AS ts_pct_last_10
FROM (
  SELECT
    day, player_lookup,
    SUM(last_10) AS games_10, NULLIF(SUM(last_10) * (SUM(last_10) - 1), 0) AS pairs_10,
    SUM(weight) AS weights,
    COUNTIF(game_date >= DATE_SUB(day, INTERVAL 14 DAY)) AS games_last_14_days,
    SUM(IF(game_date >= DATE_SUB(day, INTERVAL 14 DAY), seconds, 0)) AS seconds_last_14_days,
    COUNTIF(DATE_DIFF(game_date, previous_date, DAY) = 1 AND game_date >= DATE_SUB(day, INTERVAL 14 DAY))
      AS back_to_backs_last_14_days,
    SUM(last_10 * seconds) AS seconds_10, SUM(last_10 * seconds * seconds) AS seconds_squared,
    SUM(weight * seconds) AS seconds_weighted,
    SUM(last_10 * points) AS points_10, SUM(last_10 * points * points) AS points_squared,
    SUM(weight * points) AS points_weighted,
    SUM(last_10 * rebounds) AS rebounds_10, SUM(last_10 * rebounds * rebounds) AS rebounds_squared,
    SUM(weight * rebounds) AS rebounds_weighted,
    SUM(last_10 * assists) AS assists_10, SUM(last_10 * assists * assists) AS assists_squared,
    SUM(weight * assists) AS assists_weighted,
    SUM(last_10 * steals) AS steals_10, SUM(last_10 * steals * steals) AS steals_squared,
    SUM(weight * steals) AS steals_weighted,
    SUM(last_10 * blocks) AS blocks_10, SUM(last_10 * blocks * blocks) AS blocks_squared,
    SUM(weight * blocks) AS blocks_weighted,
    SUM(last_10 * turnovers) AS turnovers_10, SUM(last_10 * turnovers * turnovers) AS turnovers_squared,
    SUM(weight * turnovers) AS turnovers_weighted,
    SUM(last_10 * three_made) AS three_made_10, SUM(last_10 * three_made * three_made) AS three_made_squared,
    SUM(weight * three_made) AS three_made_weighted,
    SUM(IF(home_game, counted, NULL)) AS games_home, SUM(IF(home_game, NULL, counted)) AS games_away,
    SUM(IF(home_game, counted * points, NULL)) AS points_home, SUM(IF(home_game, NULL, counted * points))
      AS points_away,
    MAX(IF(recency = 1, counted * points, NULL)) AS points_last_game,
    SUM(last_5 * seconds) AS seconds_5, SUM(counted * seconds) AS seconds,
    SUM(last_5 * play_hundredths) AS play_hundredths_5, SUM(counted * play_hundredths) AS play_hundredths,
    SUM(last_10 * fg_attempted) AS fg_attempted_10, SUM(last_10 * ft_attempted) AS ft_attempted_10
  FROM (
    SELECT
      *,
      100 * (fg_attempted + turnovers) + 44 * ft_attempted AS play_hundredths,
      counted * [
        100000000000, 85000000000, 72250000000, 61412500000, 52200625000, 44370531250, 37714951562,
        32057708828, 27249052504, 23161694628, 19687440434, 16734324369, 14224175714, 12090549357,
        10276966953, 8735421910, 7425108624, 6311342330, 5364640981, 4559944833
      ][SAFE_ORDINAL(recency)] AS weight
    FROM player_history
  )
  GROUP BY day, player_lookup
)
