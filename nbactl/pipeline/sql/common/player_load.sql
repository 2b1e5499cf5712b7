-- When and how much each player played in the season before @game_date, the cup final included.
-- with: player_games
SELECT
  player_lookup,
  MAX(game_date) AS last_game_date,
  COUNTIF(game_date >= DATE_SUB(@game_date, INTERVAL 7 DAY)) AS games_last_7_days,
  SUM(IF(game_date >= DATE_SUB(@game_date, INTERVAL 7 DAY), seconds, 0)) / 60 AS minutes_last_7_days,
  COUNTIF(game_date >= DATE_SUB(@game_date, INTERVAL 14 DAY)) AS games_last_14_days,
  SUM(IF(game_date >= DATE_SUB(@game_date, INTERVAL 14 DAY), seconds, 0)) / 60 AS minutes_last_14_days,
  COUNTIF(days_before = 1 AND game_date >= DATE_SUB(@game_date, INTERVAL 14 DAY)) AS back_to_backs_last_14_days
FROM (
  SELECT
    *, DATE_DIFF(game_date, LAG(game_date) OVER (PARTITION BY player_lookup ORDER BY game_date, game_id), DAY)
      AS days_before
  FROM player_games
) AS game
GROUP BY player_lookup
