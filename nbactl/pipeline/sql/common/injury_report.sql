-- The latest report on each player for the games of @game_date.
-- reads: nba_raw.injuries 0..0
SELECT player_lookup, team_abbr, status, injury
FROM nba_raw.injuries
WHERE game_date = @game_date
QUALIFY ROW_NUMBER() OVER (PARTITION BY player_lookup ORDER BY reported_at DESC, status, injury, team_abbr) = 1
