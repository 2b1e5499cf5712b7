-- The players expected to play on each of the days, with what is known of them before that day.
-- with: team_games, roster, player_form, team_results, injury_report
SELECT
  game.game_date, game.game_id, game.season, roster.player_lookup, roster.player_name,
  game.team_abbr, game.opponent_team_abbr, game.home_game,
  COALESCE(form.games_played, 0) AS games_played,
  form.last_game_date,
  DATE_DIFF(game.game_date, form.last_game_date, DAY) - 1 AS rest_days,
  DATE_DIFF(game.game_date, form.last_game_date, DAY) = 1 AS back_to_back,
  COALESCE(form.games_last_7_days, 0) AS games_last_7_days,
  COALESCE(form.minutes_last_7_days, 0.0) AS minutes_last_7_days,
  form.minutes_avg_last_5, form.minutes_avg_last_10, form.minutes_avg_season,
  form.points_avg_last_5, form.points_avg_last_10, form.points_avg_season,
  form.rebounds_avg_last_5, form.rebounds_avg_last_10, form.rebounds_avg_season,
  form.assists_avg_last_5, form.assists_avg_last_10, form.assists_avg_season,
  form.steals_avg_last_5, form.steals_avg_last_10, form.steals_avg_season,
  form.blocks_avg_last_5, form.blocks_avg_last_10, form.blocks_avg_season,
  form.turnovers_avg_last_5, form.turnovers_avg_last_10, form.turnovers_avg_season,
  form.three_made_avg_last_5, form.three_made_avg_last_10, form.three_made_avg_season,
  form.ts_pct_season, form.efg_pct_season,
  opponent.points_allowed_avg_last_10 AS opponent_points_allowed_avg_last_10,
  opponent.points_allowed_avg_season AS opponent_points_allowed_avg_season,
  report.status AS injury_status, report.injury
FROM team_games AS game
JOIN roster ON roster.day = game.day AND roster.team_abbr = game.team_abbr
LEFT JOIN player_form AS form ON form.day = game.day AND form.player_lookup = roster.player_lookup
LEFT JOIN team_results AS opponent
  ON opponent.day = game.day AND opponent.team_abbr = game.opponent_team_abbr
LEFT JOIN injury_report AS report ON report.day = game.day AND report.player_lookup = roster.player_lookup
WHERE game.game_date = game.day
