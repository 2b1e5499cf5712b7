-- Adds whether a team's box score is complete, and its own estimate of possessions where it is.
-- Complete means: the player rows cover at least 95 % of the minutes and their points add up to the final score.
-- with: covered_games
SELECT
  *,
  240 + 25 * (periods - 4) AS team_minutes,
  LEAST(1.0, player_seconds / (60 * (240 + 25 * (periods - 4)))) AS minutes_coverage,
  player_seconds >= 0.95 * 60 * (240 + 25 * (periods - 4)) AND player_points = points AS box_complete
FROM covered_games
