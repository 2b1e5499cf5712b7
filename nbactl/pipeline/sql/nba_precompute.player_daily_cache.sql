-- What does not change during each of the days about the players expected to play: load, spread and weighted form.
-- with: player_season
-- reads: nba_analytics.upcoming_player_game_context 0..0
SELECT
  player.game_date, player.game_id, player.season, player.player_lookup, player.team_abbr,
  player.games_played,
  COALESCE(season.games_last_14_days, 0) AS games_last_14_days,
  COALESCE(season.minutes_last_14_days, 0.0) AS minutes_last_14_days,
  COALESCE(season.back_to_backs_last_14_days, 0) AS back_to_backs_last_14_days,
  season.minutes_stddev_last_10, season.minutes_avg_weighted,
  season.points_stddev_last_10, season.points_avg_weighted,
  season.rebounds_stddev_last_10, season.rebounds_avg_weighted,
  season.assists_stddev_last_10, season.assists_avg_weighted,
  season.steals_stddev_last_10, season.steals_avg_weighted,
  season.blocks_stddev_last_10, season.blocks_avg_weighted,
  season.turnovers_stddev_last_10, season.turnovers_avg_weighted,
  season.three_made_stddev_last_10, season.three_made_avg_weighted,
  season.points_avg_home, season.points_avg_away, season.points_last_game,
  season.plays_per_36_last_5, season.plays_per_36_season, season.ts_pct_last_10
FROM nba_analytics.upcoming_player_game_context AS player
LEFT JOIN player_season AS season ON season.day = player.game_date AND season.player_lookup = player.player_lookup
WHERE player.game_date BETWEEN @first AND @last AND player.game_date IN UNNEST(@dates)
