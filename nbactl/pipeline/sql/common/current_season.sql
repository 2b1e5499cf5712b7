-- The season that @game_date is in: always one row.
-- reads: nba_raw.games -365..0
SELECT MAX(season) AS season
FROM nba_raw.games
WHERE game_date BETWEEN DATE_SUB(@game_date, INTERVAL 365 DAY) AND @game_date
