-- Finished team games with the share of the team's minutes that the player rows cover.
-- Where the source does not say how many periods were played, overtimes are inferred from what is impossible
-- without them: team minutes above 240 (25 for each overtime) or a player above 48 minutes (5 for each). The half
-- minute and the rounding allow for whole minutes. Counted in seconds: 14400 and 1500, 2910 and 300.
-- with: played_games, box_sums
SELECT
  team.* EXCEPT (periods),
  COALESCE(box.player_rows, 0) AS player_rows,
  COALESCE(box.player_points, 0) AS player_points,
  COALESCE(box.player_seconds, 0) AS player_seconds,
  box.* EXCEPT (game_date, game_id, team_abbr, player_rows, player_points, player_seconds, longest_seconds),
  COALESCE(
    team.periods,
    4 + MAX(GREATEST(
      0,
      CAST(ROUND((COALESCE(box.player_seconds, 0) - 14400) / 1500) AS INT64),
      CAST(CEIL((COALESCE(box.longest_seconds, 0) - 2910) / 300) AS INT64)
    )) OVER (PARTITION BY team.game_date, team.game_id)
  ) AS periods
FROM played_games AS team
LEFT JOIN box_sums AS box
  ON box.game_date = team.game_date AND box.game_id = team.game_id AND box.team_abbr = team.team_abbr
