-- The season that each of the days is in: always one row for a day.
-- with: days
-- reads: nba_raw.games -365..0
SELECT days.day, MAX(game.season) AS season
FROM days
LEFT JOIN nba_raw.games AS game
  ON game.game_date BETWEEN DATE_SUB(@first, INTERVAL 365 DAY) AND @last
  AND game.game_date BETWEEN DATE_SUB(days.day, INTERVAL 365 DAY) AND days.day
GROUP BY days.day
