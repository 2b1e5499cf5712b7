-- What players did against each team in the two years before each of the days, for all players at once.
-- with: days
-- reads: nba_raw.games -730..-1
-- reads: nba_raw.player_boxscores -730..-1
SELECT
  days.day, box.player_lookup, box.opponent_team_abbr,
  COUNT(*) AS games,
  SAFE_DIVIDE(SUM(box.points), COUNT(*)) AS points_avg,
  SAFE_DIVIDE(SUM(box.rebounds), COUNT(*)) AS rebounds_avg,
  SAFE_DIVIDE(SUM(box.assists), COUNT(*)) AS assists_avg
FROM nba_raw.player_boxscores AS box
JOIN nba_raw.games AS game ON game.game_date = box.game_date AND game.game_id = box.game_id
JOIN days
  ON box.game_date BETWEEN DATE_SUB(days.day, INTERVAL 730 DAY) AND DATE_SUB(days.day, INTERVAL 1 DAY)
WHERE box.game_date BETWEEN DATE_SUB(@first, INTERVAL 730 DAY) AND DATE_SUB(@last, INTERVAL 1 DAY)
  AND game.game_date BETWEEN DATE_SUB(@first, INTERVAL 730 DAY) AND DATE_SUB(@last, INTERVAL 1 DAY)
  AND game.game_status = 'final' AND COALESCE(game.season_type, 'regular') NOT IN ('preseason', 'cup')
GROUP BY days.day, box.player_lookup, box.opponent_team_abbr
