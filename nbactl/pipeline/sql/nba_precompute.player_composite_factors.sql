-- Fatigue, opponent, pace and usage trend of the players expected on each of the days, and their product.
-- with: factors
SELECT
  game_date, game_id, season, player_lookup, team_abbr, opponent_team_abbr,
  fatigue / 96000 AS fatigue_score,
  (1920000 - fatigue) / 1920000 AS fatigue_factor,
  opponent_strength_factor, pace_factor, usage_trend_factor,
  (1920000 - fatigue) / 1920000 * COALESCE(opponent_strength_factor, 1.0) * COALESCE(pace_factor, 1.0)
    * COALESCE(usage_trend_factor, 1.0) AS composite_factor,
  1 + IF(opponent_strength_factor IS NULL, 0, 1) + IF(pace_factor IS NULL, 0, 1)
    + IF(usage_trend_factor IS NULL, 0, 1) AS factors_known
FROM factors
