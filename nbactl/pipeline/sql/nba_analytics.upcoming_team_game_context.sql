-- The teams that play on each of the days, with what is known of them and their opponents before that day.
-- with: team_games, team_results, team_ratings, league_season, injury_report
-- reads only: nba_raw.player_boxscores -365..-1
SELECT
  game.game_date, game.game_id, game.season, game.team_abbr, game.opponent_team_abbr, game.home_game,
  COALESCE(own.games_played, 0) AS games_played,
  COALESCE(own.wins, 0) AS wins,
  COALESCE(own.losses, 0) AS losses,
  own.last_game_date,
  DATE_DIFF(game.game_date, own.last_game_date, DAY) - 1 AS rest_days,
  DATE_DIFF(game.game_date, own.last_game_date, DAY) = 1 AS back_to_back,
  DATE_DIFF(game.game_date, opponent.last_game_date, DAY) - 1 AS opponent_rest_days,
  COALESCE(own.games_last_7_days, 0) AS games_last_7_days,
  own.win_pct_last_10,
  own.points_avg_last_5, own.points_avg_last_10, own.points_avg_season,
  own.points_allowed_avg_last_5, own.points_allowed_avg_last_10, own.points_allowed_avg_season,
  opponent.points_allowed_avg_last_10 AS opponent_points_allowed_avg_last_10,
  opponent.points_allowed_avg_season AS opponent_points_allowed_avg_season,
  COALESCE(rating.complete_games, 0) AS complete_games,
  rating.offensive_rating_season, rating.defensive_rating_season, rating.pace_season,
  opponent_rating.defensive_rating_season AS opponent_defensive_rating_season,
  opponent_rating.pace_season AS opponent_pace_season,
  league.points_avg AS league_points_avg_season,
  league.pace AS league_pace_season,
  COALESCE(injured.players_out, 0) AS players_out
FROM team_games AS game
JOIN league_season AS league ON league.day = game.day
LEFT JOIN team_results AS own ON own.day = game.day AND own.team_abbr = game.team_abbr
LEFT JOIN team_results AS opponent
  ON opponent.day = game.day AND opponent.team_abbr = game.opponent_team_abbr
LEFT JOIN team_ratings AS rating ON rating.day = game.day AND rating.team_abbr = game.team_abbr
LEFT JOIN team_ratings AS opponent_rating
  ON opponent_rating.day = game.day AND opponent_rating.team_abbr = game.opponent_team_abbr
LEFT JOIN (
  SELECT day, team_abbr, COUNT(*) AS players_out FROM injury_report WHERE status = 'out' GROUP BY day, team_abbr
) AS injured ON injured.day = game.day AND injured.team_abbr = game.team_abbr
WHERE game.game_date = game.day
