-- The four factors by which a player's usual output is scaled for the game on each of the days; 1 is neutral.
-- Fatigue is a whole number of 1/96000: 38400 is 0.4, 9600 seconds are 160 minutes, 3600 is 0.3 / 8.
-- reads: nba_analytics.upcoming_player_game_context 0..0
-- reads: nba_precompute.player_daily_cache 0..0
-- reads: nba_analytics.upcoming_team_game_context 0..0
SELECT
  game_date, game_id, season, player_lookup, team_abbr, opponent_team_abbr,
  IF(back_to_back, 38400, 0) + 3 * LEAST(9600, seconds_last_7_days) + 3600 * LEAST(8, games_last_14_days) AS fatigue,
  SAFE_DIVIDE(opponent_points, league_points) AS opponent_strength_factor,
  SAFE_DIVIDE(pace, league_pace) AS pace_factor,
  IF(games_played >= 5, LEAST(1.2, GREATEST(0.8, usage_trend)), NULL) AS usage_trend_factor
FROM (
  SELECT
    player.game_date, player.game_id, player.season, player.player_lookup, player.team_abbr,
    player.opponent_team_abbr, player.games_played, cache.games_last_14_days,
    COALESCE(player.back_to_back, FALSE) AS back_to_back,
    CAST(ROUND(60 * player.minutes_last_7_days) AS INT64) AS seconds_last_7_days,
    opponent.games_played * COALESCE(opponent.points_allowed_avg_season, 0) + 10 * own.league_points_avg_season
      AS opponent_points,
    (opponent.games_played + 10) * own.league_points_avg_season AS league_points,
    own.pace_season * opponent.pace_season AS pace,
    own.league_pace_season * own.league_pace_season AS league_pace,
    0.5 + 0.5 * SAFE_DIVIDE(cache.plays_per_36_last_5, cache.plays_per_36_season) AS usage_trend
  FROM nba_analytics.upcoming_player_game_context AS player
  JOIN nba_precompute.player_daily_cache AS cache
    ON cache.game_date = player.game_date AND cache.player_lookup = player.player_lookup
    AND cache.game_id = player.game_id
  LEFT JOIN nba_analytics.upcoming_team_game_context AS own
    ON own.game_date = player.game_date AND own.game_id = player.game_id AND own.team_abbr = player.team_abbr
    AND own.game_date BETWEEN @first AND @last
  LEFT JOIN nba_analytics.upcoming_team_game_context AS opponent
    ON opponent.game_date = player.game_date AND opponent.game_id = player.game_id
    AND opponent.team_abbr = player.opponent_team_abbr AND opponent.game_date BETWEEN @first AND @last
  WHERE player.game_date BETWEEN @first AND @last AND player.game_date IN UNNEST(@dates)
    AND cache.game_date BETWEEN @first AND @last
)
