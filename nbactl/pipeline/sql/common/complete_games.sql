-- Adds how long the team was on the floor, how much of that the player rows cover, and whether nobody is missing.
-- Complete means: the player rows cover at least 95 % of the minutes and their points add up to the final score.
-- The team's estimate of possessions is kept in halves of hundredths, which are whole: 50 (FGA - ORB + TOV) + 22 FTA.
-- with: covered_games
SELECT
  *,
  240 + 25 * (periods - 4) AS team_minutes,
  LEAST(1.0, player_seconds / (60 * (240 + 25 * (periods - 4)))) AS minutes_coverage,
  20 * player_seconds >= 19 * 60 * (240 + 25 * (periods - 4)) AND COALESCE(player_points = points, FALSE)
    AS box_complete,
  50 * (fg_attempted - offensive_rebounds + turnovers) + 22 * ft_attempted AS half_possession_hundredths
FROM covered_games
