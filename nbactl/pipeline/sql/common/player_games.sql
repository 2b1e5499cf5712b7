-- The players' games of the season of @game_date, before that date. Games that are not over are no history; the final
-- of the league's cup counts for rest and load only: it is not `counted`.
-- with: current_season
SELECT
  box.* EXCEPT (minutes),
  CAST(ROUND(box.minutes * 60) AS INT64) AS seconds,
  COALESCE(game.season_type, 'regular') <> 'cup' AS counted
FROM nba_raw.player_boxscores AS box
JOIN current_season ON box.game_date >= current_season.first_date
JOIN nba_raw.games AS game
  ON game.game_date = box.game_date AND game.game_id = box.game_id
  AND game.game_date BETWEEN DATE_SUB(@game_date, INTERVAL 365 DAY) AND DATE_SUB(@game_date, INTERVAL 1 DAY)
WHERE box.game_date BETWEEN DATE_SUB(@game_date, INTERVAL 365 DAY) AND DATE_SUB(@game_date, INTERVAL 1 DAY)
  AND game.game_status = 'final' AND COALESCE(game.season_type, 'regular') <> 'preseason'
