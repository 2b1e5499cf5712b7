-- The season that @game_date is in and the day it began, preseason left aside.
SELECT
  game.season,
  MIN(IF(COALESCE(game.season_type, 'regular') <> 'preseason', game.game_date, NULL)) AS first_date
FROM nba_raw.games AS game
WHERE game.game_date BETWEEN DATE_SUB(@game_date, INTERVAL 365 DAY) AND @game_date
GROUP BY game.season
QUALIFY ROW_NUMBER() OVER (ORDER BY game.season DESC) = 1
