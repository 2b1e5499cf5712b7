-- The players' lines of the season of each of the days, before that day. `recency` is 1 in a player's latest game, and
-- grows with every earlier game that counts; `last_5` and `last_10` are 1 in the latest games that count, else NULL:
-- SUM(last_5 * points) is their points. A line is a player's latest before a day if his next one is not before it.
-- with: player_lines, current_season
SELECT *, IF(recency <= 5, counted, NULL) AS last_5, IF(recency <= 10, counted, NULL) AS last_10
FROM (
  SELECT line.*, latest.day, latest.games - line.nth + COALESCE(line.counted, 0) AS recency
  FROM player_lines AS line
  JOIN (
    SELECT current_season.day, line.season, line.player_lookup, line.nth AS games
    FROM player_lines AS line
    JOIN current_season
      ON current_season.season = line.season
      AND line.game_date BETWEEN DATE_SUB(current_season.day, INTERVAL 365 DAY)
        AND DATE_SUB(current_season.day, INTERVAL 1 DAY)
      AND COALESCE(line.next_date >= current_season.day, TRUE)
  ) AS latest
    ON latest.season = line.season AND latest.player_lookup = line.player_lookup
    AND line.game_date BETWEEN DATE_SUB(latest.day, INTERVAL 365 DAY) AND DATE_SUB(latest.day, INTERVAL 1 DAY)
)
