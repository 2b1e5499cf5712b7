-- What the teams that play on each of the days allow by zone. The data have no shot locations: the zones are those
-- that a box score tells apart, two-point field goals, three-point field goals and free throws.
-- with: allowed_zones, allowed_volume, league_zones
-- reads: nba_analytics.upcoming_team_game_context 0..0
-- reads only: nba_raw.player_boxscores -365..-1
SELECT
  team.game_date, team.game_id, team.season, team.team_abbr, team.opponent_team_abbr,
  COALESCE(zone.games, 0) AS games,
  COALESCE(zone.fg_attempted, 0) AS fg_attempted_faced,
  zone.two_attempt_share AS two_attempt_share_allowed,
  zone.three_attempt_share AS three_attempt_share_allowed,
  zone.ft_attempt_rate AS ft_attempt_rate_allowed,
  zone.two_pct AS two_pct_allowed,
  zone.three_pct AS three_pct_allowed,
  zone.three_attempt_share - league.three_attempt_share AS three_attempt_share_allowed_vs_league,
  zone.ft_attempt_rate - league.ft_attempt_rate AS ft_attempt_rate_allowed_vs_league,
  zone.two_pct - league.two_pct AS two_pct_allowed_vs_league,
  zone.three_pct - league.three_pct AS three_pct_allowed_vs_league,
  COALESCE(volume.complete_games, 0) AS complete_games,
  volume.two_attempts AS two_attempts_allowed_per_game,
  volume.three_attempts AS three_attempts_allowed_per_game,
  volume.ft_attempts AS ft_attempts_allowed_per_game
FROM nba_analytics.upcoming_team_game_context AS team
JOIN league_zones AS league ON league.day = team.game_date
LEFT JOIN allowed_zones AS zone ON zone.day = team.game_date AND zone.team_abbr = team.team_abbr
LEFT JOIN allowed_volume AS volume ON volume.day = team.game_date AND volume.team_abbr = team.team_abbr
WHERE team.game_date BETWEEN @first AND @last AND team.game_date IN UNNEST(@dates)
