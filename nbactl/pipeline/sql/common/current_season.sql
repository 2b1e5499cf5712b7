-- The season that @game_date is in and the day it began, preseason left aside: always one row.
-- reads: nba_raw.games -365..0
SELECT
  MAX(season) AS season,
  MIN(IF(season = latest_season AND COALESCE(season_type, 'regular') <> 'preseason', game_date, NULL)) AS first_date
FROM (
  SELECT game_date, season, season_type, MAX(season) OVER () AS latest_season
  FROM nba_raw.games
  WHERE game_date BETWEEN DATE_SUB(@game_date, INTERVAL 365 DAY) AND @game_date
) AS game
