-- The games that a player's numbers are made of; recency 1 is the latest.
-- with: player_games
SELECT
  * EXCEPT (counted),
  ROW_NUMBER() OVER (PARTITION BY player_lookup ORDER BY game_date DESC, game_id DESC) AS recency
FROM player_games
WHERE counted
