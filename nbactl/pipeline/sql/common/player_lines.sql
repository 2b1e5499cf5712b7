-- The players' lines of the seasons that the days are in, from games that are over. Preseason games are no history. The
-- cup final is a day of work, and in no average, as with the league: `counted` is NULL there, else 1. `nth` is how many
-- games of the season count up to this one. Nothing here depends on a day, so that it is computed once for all of them.
-- with: current_season
-- reads: nba_raw.games -365..-1
-- reads: nba_raw.player_boxscores -365..-1
SELECT
  box.* EXCEPT (minutes),
  game.season,
  CAST(ROUND(box.minutes * 60) AS INT64) AS seconds,
  IF(game.season_type = 'cup', NULL, 1) AS counted,
  COUNT(IF(game.season_type = 'cup', NULL, 1)) OVER (
    PARTITION BY game.season, box.player_lookup ORDER BY box.game_date, box.game_id
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS nth,
  LAG(box.game_date) OVER (PARTITION BY game.season, box.player_lookup ORDER BY box.game_date, box.game_id)
    AS previous_date,
  LEAD(box.game_date) OVER (PARTITION BY game.season, box.player_lookup ORDER BY box.game_date, box.game_id)
    AS next_date
FROM nba_raw.player_boxscores AS box
JOIN nba_raw.games AS game ON game.game_date = box.game_date AND game.game_id = box.game_id
WHERE box.game_date BETWEEN DATE_SUB(@first, INTERVAL 365 DAY) AND DATE_SUB(@last, INTERVAL 1 DAY)
  AND game.game_date BETWEEN DATE_SUB(@first, INTERVAL 365 DAY) AND DATE_SUB(@last, INTERVAL 1 DAY)
  AND game.season IN (SELECT season FROM current_season)
  AND game.game_status = 'final' AND COALESCE(game.season_type, 'regular') <> 'preseason'
