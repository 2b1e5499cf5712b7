-- Team totals of the games of each of the days, NULL unless the box score is complete: a partial sum must not pass for a team total.
-- Possessions are the mean of both teams' estimates, so they are known only where both box scores are complete.
-- with: complete_games
SELECT
  own.game_date, own.game_id, own.season, own.team_abbr, own.opponent_team_abbr, own.home_game,
  own.points, own.points_allowed, own.periods, own.team_minutes,
  own.player_rows, own.player_points, own.player_seconds, own.minutes_coverage, own.box_complete,
  IF(own.box_complete, own.fg_made, NULL) AS fg_made,
  IF(own.box_complete, own.fg_attempted, NULL) AS fg_attempted,
  IF(own.box_complete, own.three_made, NULL) AS three_made,
  IF(own.box_complete, own.three_attempted, NULL) AS three_attempted,
  IF(own.box_complete, own.ft_made, NULL) AS ft_made,
  IF(own.box_complete, own.ft_attempted, NULL) AS ft_attempted,
  IF(own.box_complete, own.rebounds, NULL) AS rebounds,
  IF(own.box_complete, own.offensive_rebounds, NULL) AS offensive_rebounds,
  IF(own.box_complete, own.defensive_rebounds, NULL) AS defensive_rebounds,
  IF(own.box_complete, own.assists, NULL) AS assists,
  IF(own.box_complete, own.steals, NULL) AS steals,
  IF(own.box_complete, own.blocks, NULL) AS blocks,
  IF(own.box_complete, own.turnovers, NULL) AS turnovers,
  IF(own.box_complete, own.personal_fouls, NULL) AS personal_fouls,
  IF(
    own.box_complete AND opponent.box_complete,
    own.half_possession_hundredths + opponent.half_possession_hundredths,
    NULL
  ) AS possession_hundredths
FROM complete_games AS own
JOIN complete_games AS opponent
  ON opponent.game_date = own.game_date AND opponent.game_id = own.game_id
  AND opponent.team_abbr = own.opponent_team_abbr
WHERE own.game_date BETWEEN @first AND @last AND own.game_date IN UNNEST(@dates)
  AND opponent.game_date BETWEEN @first AND @last
