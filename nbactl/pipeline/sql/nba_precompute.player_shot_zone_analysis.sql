-- Where the points of the players expected on each of the days come from: two-point and three-point field goals and
-- free throws, the zones that a box score tells apart.
-- with: player_zones, league_zones
-- reads: nba_analytics.upcoming_player_game_context 0..0
SELECT
  player.game_date, player.game_id, player.season, player.player_lookup, player.team_abbr,
  player.games_played AS games,
  COALESCE(zone.fg_attempted, 0) AS fg_attempted,
  COALESCE(zone.ft_attempted, 0) AS ft_attempted,
  zone.two_attempt_share,
  zone.three_attempt_share,
  zone.ft_attempt_rate,
  zone.two_pct, zone.three_pct, zone.ft_pct,
  zone.two_points_share, zone.three_points_share, zone.ft_points_share,
  zone.three_attempt_share_last_10, zone.two_pct_last_10, zone.three_pct_last_10,
  zone.three_attempt_share - league.three_attempt_share AS three_attempt_share_vs_league,
  zone.ft_attempt_rate - league.ft_attempt_rate AS ft_attempt_rate_vs_league,
  zone.two_pct - league.two_pct AS two_pct_vs_league,
  zone.three_pct - league.three_pct AS three_pct_vs_league,
  zone.ft_pct - league.ft_pct AS ft_pct_vs_league
FROM nba_analytics.upcoming_player_game_context AS player
JOIN league_zones AS league ON league.day = player.game_date
LEFT JOIN player_zones AS zone ON zone.day = player.game_date AND zone.player_lookup = player.player_lookup
WHERE player.game_date BETWEEN @first AND @last AND player.game_date IN UNNEST(@dates)
