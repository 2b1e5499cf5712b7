-- The latest report on each player for the games of each of the days.
-- reads: nba_raw.injuries 0..0
SELECT game_date AS day, player_lookup, team_abbr, status, injury
FROM nba_raw.injuries
WHERE game_date BETWEEN @first AND @last AND game_date IN UNNEST(@dates)
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY game_date, player_lookup ORDER BY reported_at DESC, status, injury, team_abbr
) = 1
