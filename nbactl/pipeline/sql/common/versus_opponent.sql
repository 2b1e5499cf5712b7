-- What the players expected on each of the days did against their opponent of that day in the two years before it.
-- reads: nba_raw.games -730..-1
-- reads: nba_raw.player_boxscores -730..-1
-- reads: nba_analytics.upcoming_player_game_context 0..0
SELECT
  player.game_date, player.game_id, player.player_lookup,
  COUNT(*) AS games,
  SAFE_DIVIDE(SUM(box.points), COUNT(*)) AS points_avg,
  SAFE_DIVIDE(SUM(box.rebounds), COUNT(*)) AS rebounds_avg,
  SAFE_DIVIDE(SUM(box.assists), COUNT(*)) AS assists_avg
FROM nba_analytics.upcoming_player_game_context AS player
JOIN nba_raw.player_boxscores AS box
  ON box.player_lookup = player.player_lookup AND box.opponent_team_abbr = player.opponent_team_abbr
  AND box.game_date BETWEEN DATE_SUB(player.game_date, INTERVAL 730 DAY) AND DATE_SUB(player.game_date, INTERVAL 1 DAY)
JOIN nba_raw.games AS game ON game.game_date = box.game_date AND game.game_id = box.game_id
WHERE player.game_date BETWEEN @first AND @last AND player.game_date IN UNNEST(@dates)
  AND box.game_date BETWEEN DATE_SUB(@first, INTERVAL 730 DAY) AND DATE_SUB(@last, INTERVAL 1 DAY)
  AND game.game_date BETWEEN DATE_SUB(@first, INTERVAL 730 DAY) AND DATE_SUB(@last, INTERVAL 1 DAY)
  AND game.game_status = 'final' AND COALESCE(game.season_type, 'regular') NOT IN ('preseason', 'cup')
GROUP BY player.game_date, player.game_id, player.player_lookup
