-- The players' lines of the season of each of the days, before that day, from games that are over. Preseason games are
-- no history. The cup final is a day of work, and in no average, as with the league: `counted` is NULL there, else 1.
-- `last_5` and `last_10` are 1 in the latest games that count, else NULL: SUM(last_5 * points) is their points.
-- with: current_season
-- reads: nba_raw.games -365..-1
-- reads: nba_raw.player_boxscores -365..-1
SELECT *, IF(recency <= 5, counted, NULL) AS last_5, IF(recency <= 10, counted, NULL) AS last_10
FROM (
  SELECT
    current_season.day,
    box.* EXCEPT (minutes),
    CAST(ROUND(box.minutes * 60) AS INT64) AS seconds,
    IF(game.season_type = 'cup', NULL, 1) AS counted,
    COUNT(IF(game.season_type = 'cup', NULL, 1)) OVER (
      PARTITION BY current_season.day, box.player_lookup ORDER BY box.game_date DESC, box.game_id DESC
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS recency,
    LEAD(box.game_date) OVER (
      PARTITION BY current_season.day, box.player_lookup ORDER BY box.game_date DESC, box.game_id DESC
    ) AS previous_date
  FROM nba_raw.player_boxscores AS box
  JOIN nba_raw.games AS game ON game.game_date = box.game_date AND game.game_id = box.game_id
  JOIN current_season
    ON current_season.season = game.season
    AND box.game_date BETWEEN DATE_SUB(current_season.day, INTERVAL 365 DAY)
      AND DATE_SUB(current_season.day, INTERVAL 1 DAY)
  WHERE box.game_date BETWEEN DATE_SUB(@first, INTERVAL 365 DAY) AND DATE_SUB(@last, INTERVAL 1 DAY)
    AND game.game_date BETWEEN DATE_SUB(@first, INTERVAL 365 DAY) AND DATE_SUB(@last, INTERVAL 1 DAY)
    AND game.game_status = 'final' AND COALESCE(game.season_type, 'regular') <> 'preseason'
)
