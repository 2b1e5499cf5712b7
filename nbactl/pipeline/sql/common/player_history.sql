-- The players' games that count for season averages, before @game_date; recency 1 is the latest.
-- with: player_games
SELECT
  * EXCEPT (counted),
  ROW_NUMBER() OVER (PARTITION BY player_lookup ORDER BY game_date DESC, game_id DESC) AS recency
FROM player_games
WHERE counted
