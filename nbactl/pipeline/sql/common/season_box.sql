-- Games of the season before each of the days in which both box scores are complete: those with known possessions.
-- with: complete_games, current_season
SELECT
  current_season.day, own.team_abbr, own.opponent_team_abbr, own.points, own.points_allowed, own.team_minutes,
  own.fg_attempted, own.three_attempted, own.ft_attempted,
  own.half_possession_hundredths + opponent.half_possession_hundredths AS possession_hundredths
FROM complete_games AS own
JOIN complete_games AS opponent
  ON opponent.game_date = own.game_date AND opponent.game_id = own.game_id
  AND opponent.team_abbr = own.opponent_team_abbr
JOIN current_season
  ON current_season.season = own.season
  AND own.game_date BETWEEN DATE_SUB(current_season.day, INTERVAL 365 DAY)
    AND DATE_SUB(current_season.day, INTERVAL 1 DAY)
WHERE own.is_history AND own.counted IS NOT NULL AND own.box_complete AND opponent.box_complete
  AND own.half_possession_hundredths + opponent.half_possession_hundredths IS NOT NULL
