-- The players' lines of the season of @game_date, before that date, from games that are over. Preseason games are no
-- history. `counted` is false in the cup final: it is a day of work, and in no average, as with the league.
-- with: current_season
-- reads: nba_raw.games -365..-1
-- reads: nba_raw.player_boxscores -365..-1
SELECT
  box.* EXCEPT (minutes),
  CAST(ROUND(box.minutes * 60) AS INT64) AS seconds,
  COALESCE(game.season_type, 'regular') <> 'cup' AS counted
FROM nba_raw.player_boxscores AS box
JOIN nba_raw.games AS game ON game.game_date = box.game_date AND game.game_id = box.game_id
JOIN current_season ON current_season.season = game.season
WHERE box.game_date BETWEEN DATE_SUB(@game_date, INTERVAL 365 DAY) AND DATE_SUB(@game_date, INTERVAL 1 DAY)
  AND game.game_date BETWEEN DATE_SUB(@game_date, INTERVAL 365 DAY) AND DATE_SUB(@game_date, INTERVAL 1 DAY)
  AND game.game_status = 'final' AND COALESCE(game.season_type, 'regular') <> 'preseason'
