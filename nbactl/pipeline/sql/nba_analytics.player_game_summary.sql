-- The box scores of the games of each of the days that are over, with the players' efficiency, and their form before.
-- with: current_season, complete_games, player_form
-- reads: nba_raw.games 0..0
-- reads: nba_raw.player_boxscores 0..0
SELECT
  box.game_date, box.game_id, current_season.season, box.player_lookup, box.player_name,
  box.team_abbr, box.opponent_team_abbr, box.home_game,
  box.minutes, box.points, box.rebounds, box.offensive_rebounds, box.defensive_rebounds,
  box.assists, box.steals, box.blocks, box.turnovers, box.personal_fouls,
  box.fg_made, box.fg_attempted, box.three_made, box.three_attempted, box.ft_made, box.ft_attempted,
  box.plus_minus,
  SAFE_DIVIDE(
    IF(team.box_complete, 20 * team.player_seconds, NULL)
      * (100 * (box.fg_attempted + box.turnovers) + 44 * box.ft_attempted),
    CAST(ROUND(box.minutes * 60) AS INT64) * (100 * (team.fg_attempted + team.turnovers) + 44 * team.ft_attempted)
  ) AS usage_rate,
  SAFE_DIVIDE(50 * box.points, 100 * box.fg_attempted + 44 * box.ft_attempted) AS ts_pct,
  SAFE_DIVIDE(2 * box.fg_made + box.three_made, 2 * box.fg_attempted) AS efg_pct,
  team.minutes_coverage AS minutes_coverage,
  COALESCE(form.games_played, 0) AS games_played_before,
  DATE_DIFF(box.game_date, form.last_game_date, DAY) - 1 AS rest_days,
  DATE_DIFF(box.game_date, form.last_game_date, DAY) = 1 AS back_to_back,
  form.minutes_avg_last_5, form.minutes_avg_last_10, form.minutes_avg_season,
  form.points_avg_last_5, form.points_avg_last_10, form.points_avg_season,
  form.rebounds_avg_last_5, form.rebounds_avg_last_10, form.rebounds_avg_season,
  form.assists_avg_last_5, form.assists_avg_last_10, form.assists_avg_season,
  form.steals_avg_last_5, form.steals_avg_last_10, form.steals_avg_season,
  form.blocks_avg_last_5, form.blocks_avg_last_10, form.blocks_avg_season,
  form.turnovers_avg_last_5, form.turnovers_avg_last_10, form.turnovers_avg_season,
  form.three_made_avg_last_5, form.three_made_avg_last_10, form.three_made_avg_season
FROM nba_raw.player_boxscores AS box
JOIN nba_raw.games AS game ON game.game_date = box.game_date AND game.game_id = box.game_id
JOIN current_season ON current_season.day = box.game_date
LEFT JOIN complete_games AS team
  ON team.game_date = box.game_date AND team.game_id = box.game_id AND team.team_abbr = box.team_abbr
  AND team.game_date BETWEEN @first AND @last
LEFT JOIN player_form AS form ON form.day = box.game_date AND form.player_lookup = box.player_lookup
WHERE box.game_date BETWEEN @first AND @last AND game.game_date BETWEEN @first AND @last
  AND game.game_status = 'final'
