-- One row of features for each player expected on each of the days: the day's contexts, caches and factors side by
-- side, and the history against the opponent. NULL means not known; truth values are 0 and 1.
-- with: versus_opponent
-- reads: nba_analytics.upcoming_player_game_context 0..0
-- reads: nba_precompute.player_daily_cache 0..0
-- reads: nba_precompute.player_composite_factors 0..0
-- reads: nba_precompute.player_shot_zone_analysis 0..0
-- reads: nba_precompute.team_defense_zone_analysis 0..0
-- reads: nba_analytics.upcoming_team_game_context 0..0
SELECT
  player.game_date, player.game_id, player.season, player.player_lookup,
  player.team_abbr, player.opponent_team_abbr,
  'v1' AS feature_version,
  player.games_played,
  CAST(player.home_game AS INT64) AS home_game,
  player.rest_days,
  CAST(player.back_to_back AS INT64) AS back_to_back,
  player.games_last_7_days, player.minutes_last_7_days,
  cache.games_last_14_days, cache.minutes_last_14_days,
  player.points_avg_last_5, player.points_avg_last_10, player.points_avg_season,
  player.rebounds_avg_last_5, player.rebounds_avg_last_10, player.rebounds_avg_season,
  player.assists_avg_last_5, player.assists_avg_last_10, player.assists_avg_season,
  player.three_made_avg_last_5, player.three_made_avg_last_10, player.three_made_avg_season,
  player.minutes_avg_last_5, player.minutes_avg_last_10, player.minutes_avg_season,
  cache.points_avg_weighted, cache.points_stddev_last_10,
  cache.rebounds_avg_weighted, cache.rebounds_stddev_last_10,
  cache.assists_avg_weighted, cache.assists_stddev_last_10,
  cache.three_made_avg_weighted, cache.three_made_stddev_last_10,
  cache.minutes_avg_weighted, cache.minutes_stddev_last_10,
  player.ts_pct_season, player.efg_pct_season, cache.ts_pct_last_10,
  cache.plays_per_36_last_5, cache.plays_per_36_season,
  cache.points_last_game, cache.points_avg_home, cache.points_avg_away,
  zone.three_attempt_share, zone.ft_attempt_rate, zone.two_pct, zone.three_pct, zone.ft_pct,
  defense.two_pct_allowed_vs_league AS opponent_two_pct_allowed_vs_league,
  defense.three_pct_allowed_vs_league AS opponent_three_pct_allowed_vs_league,
  defense.three_attempt_share_allowed_vs_league AS opponent_three_attempt_share_allowed_vs_league,
  defense.ft_attempt_rate_allowed_vs_league AS opponent_ft_attempt_rate_allowed_vs_league,
  team.points_avg_season AS team_points_avg_season,
  team.win_pct_last_10 AS team_win_pct_last_10,
  team.opponent_rest_days,
  player.opponent_points_allowed_avg_last_10, player.opponent_points_allowed_avg_season,
  team.league_points_avg_season,
  factor.fatigue_score, factor.fatigue_factor, factor.opponent_strength_factor, factor.pace_factor,
  factor.usage_trend_factor, factor.composite_factor,
  COALESCE(versus.games, 0) AS games_versus_opponent,
  versus.points_avg AS points_avg_versus_opponent,
  versus.rebounds_avg AS rebounds_avg_versus_opponent,
  versus.assists_avg AS assists_avg_versus_opponent
FROM nba_analytics.upcoming_player_game_context AS player
JOIN nba_precompute.player_daily_cache AS cache
  ON cache.game_date = player.game_date AND cache.game_id = player.game_id
  AND cache.player_lookup = player.player_lookup
JOIN nba_precompute.player_composite_factors AS factor
  ON factor.game_date = player.game_date AND factor.game_id = player.game_id
  AND factor.player_lookup = player.player_lookup
LEFT JOIN nba_precompute.player_shot_zone_analysis AS zone
  ON zone.game_date = player.game_date AND zone.game_id = player.game_id AND zone.player_lookup = player.player_lookup
  AND zone.game_date BETWEEN @first AND @last
LEFT JOIN nba_precompute.team_defense_zone_analysis AS defense
  ON defense.game_date = player.game_date AND defense.game_id = player.game_id
  AND defense.team_abbr = player.opponent_team_abbr AND defense.game_date BETWEEN @first AND @last
LEFT JOIN nba_analytics.upcoming_team_game_context AS team
  ON team.game_date = player.game_date AND team.game_id = player.game_id AND team.team_abbr = player.team_abbr
  AND team.game_date BETWEEN @first AND @last
LEFT JOIN versus_opponent AS versus
  ON versus.game_date = player.game_date AND versus.game_id = player.game_id
  AND versus.player_lookup = player.player_lookup
WHERE player.game_date BETWEEN @first AND @last AND player.game_date IN UNNEST(@dates)
  AND cache.game_date BETWEEN @first AND @last AND factor.game_date BETWEEN @first AND @last
