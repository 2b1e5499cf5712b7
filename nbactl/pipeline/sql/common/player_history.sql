-- The players' games of the season of @game_date, before that date; recency 1 is the latest.
-- with: current_season
-- reads: nba_raw.player_boxscores -365..-1
SELECT
  box.* EXCEPT (minutes),
  CAST(ROUND(box.minutes * 60) AS INT64) AS seconds,
  ROW_NUMBER() OVER (PARTITION BY box.player_lookup ORDER BY box.game_date DESC, box.game_id DESC) AS recency
FROM nba_raw.player_boxscores AS box
JOIN current_season ON box.game_date >= current_season.first_date
WHERE box.game_date BETWEEN DATE_SUB(@game_date, INTERVAL 365 DAY) AND DATE_SUB(@game_date, INTERVAL 1 DAY)
