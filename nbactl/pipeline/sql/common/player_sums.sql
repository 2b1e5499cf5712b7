-- Sums over a player's last 10 games, of the numbers and their squares, and the last 20 weighted by 0.85 a game back.
-- The weights are whole numbers of 1e-11, so that every sum is exact.
-- with: player_history
SELECT
  player_lookup,
  COUNTIF(recency <= 10) AS games,
  SUM(weight) AS weights,
  SUM(IF(recency <= 10, seconds, 0)) AS seconds,
  SUM(IF(recency <= 10, seconds * seconds, 0)) AS seconds_squared,
  SUM(weight * seconds) AS seconds_weighted,
  SUM(IF(recency <= 10, points, 0)) AS points,
  SUM(IF(recency <= 10, points * points, 0)) AS points_squared,
  SUM(weight * points) AS points_weighted,
  SUM(IF(recency <= 10, rebounds, 0)) AS rebounds,
  SUM(IF(recency <= 10, rebounds * rebounds, 0)) AS rebounds_squared,
  SUM(weight * rebounds) AS rebounds_weighted,
  SUM(IF(recency <= 10, assists, 0)) AS assists,
  SUM(IF(recency <= 10, assists * assists, 0)) AS assists_squared,
  SUM(weight * assists) AS assists_weighted,
  SUM(IF(recency <= 10, steals, 0)) AS steals,
  SUM(IF(recency <= 10, steals * steals, 0)) AS steals_squared,
  SUM(weight * steals) AS steals_weighted,
  SUM(IF(recency <= 10, blocks, 0)) AS blocks,
  SUM(IF(recency <= 10, blocks * blocks, 0)) AS blocks_squared,
  SUM(weight * blocks) AS blocks_weighted,
  SUM(IF(recency <= 10, turnovers, 0)) AS turnovers,
  SUM(IF(recency <= 10, turnovers * turnovers, 0)) AS turnovers_squared,
  SUM(weight * turnovers) AS turnovers_weighted,
  SUM(IF(recency <= 10, three_made, 0)) AS three_made,
  SUM(IF(recency <= 10, three_made * three_made, 0)) AS three_made_squared,
  SUM(weight * three_made) AS three_made_weighted
FROM (
  SELECT
    *,
    [
      100000000000, 85000000000, 72250000000, 61412500000, 52200625000, 44370531250, 37714951562,
      32057708828, 27249052504, 23161694628, 19687440434, 16734324369, 14224175714, 12090549357,
      10276966953, 8735421910, 7425108624, 6311342330, 5364640981, 4559944833
    ][SAFE_ORDINAL(recency)] AS weight
  FROM player_history
)
GROUP BY player_lookup
