-- The players' lines of the season of each of the days, before that day. `recency` is 1 in a player's latest game, and
-- grows with every earlier game that counts; `last_5` and `last_10` are 1 in the latest games that count, else NULL:
-- SUM(last_5 * points) is their points.
-- with: player_lines, current_season
SELECT *, IF(recency <= 5, counted, NULL) AS last_5, IF(recency <= 10, counted, NULL) AS last_10
FROM (
  SELECT line.*, total.day, total.games - line.nth + COALESCE(line.counted, 0) AS recency
  FROM player_lines AS line
  JOIN (
    SELECT current_season.day, line.season, line.player_lookup, MAX(line.nth) AS games
    FROM player_lines AS line
    JOIN current_season
      ON current_season.season = line.season
      AND line.game_date BETWEEN DATE_SUB(current_season.day, INTERVAL 365 DAY)
        AND DATE_SUB(current_season.day, INTERVAL 1 DAY)
    GROUP BY current_season.day, line.season, line.player_lookup
  ) AS total
    ON total.season = line.season AND total.player_lookup = line.player_lookup
    AND line.game_date BETWEEN DATE_SUB(total.day, INTERVAL 365 DAY) AND DATE_SUB(total.day, INTERVAL 1 DAY)
)
