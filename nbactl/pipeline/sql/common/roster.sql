-- Who is expected to play for a team: players whose latest game before @game_date was for that team and is one of
-- its ten latest games. Seasons are not told apart here, so that an opening night has players too.
-- with: team_games
SELECT player.player_lookup, player.player_name, player.team_abbr
FROM (
  SELECT player_lookup, player_name, team_abbr, game_date, game_id
  FROM nba_raw.player_boxscores
  WHERE game_date BETWEEN DATE_SUB(@game_date, INTERVAL 365 DAY) AND DATE_SUB(@game_date, INTERVAL 1 DAY)
  QUALIFY ROW_NUMBER() OVER (PARTITION BY player_lookup ORDER BY game_date DESC, game_id DESC) = 1
) AS player
JOIN (
  SELECT team_abbr, game_date, game_id
  FROM team_games
  WHERE game_date < @game_date
  QUALIFY ROW_NUMBER() OVER (PARTITION BY team_abbr ORDER BY game_date DESC, game_id DESC) <= 10
) AS team
  ON team.team_abbr = player.team_abbr AND team.game_date = player.game_date AND team.game_id = player.game_id
