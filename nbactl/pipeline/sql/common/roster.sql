-- Who is expected to play for a team: players whose latest game before a day was for that team and no earlier than the
-- tenth latest game of the team. Seasons are not distinguished here, so that an opening night has players too.
-- with: team_games, days
-- reads: nba_raw.games -365..-1
-- reads: nba_raw.player_boxscores -365..-1
SELECT player.day, player.player_lookup, player.player_name, player.team_abbr
FROM (
  SELECT days.day, line.player_lookup, line.player_name, line.team_abbr, line.game_date
  FROM days
  JOIN (
    SELECT
      box.player_lookup, box.player_name, box.team_abbr, box.game_date,
      LEAD(box.game_date) OVER (PARTITION BY box.player_lookup ORDER BY box.game_date, box.game_id) AS next_date
    FROM nba_raw.player_boxscores AS box
    JOIN nba_raw.games AS game ON game.game_date = box.game_date AND game.game_id = box.game_id
    WHERE box.game_date BETWEEN DATE_SUB(@first, INTERVAL 365 DAY) AND DATE_SUB(@last, INTERVAL 1 DAY)
      AND game.game_date BETWEEN DATE_SUB(@first, INTERVAL 365 DAY) AND DATE_SUB(@last, INTERVAL 1 DAY)
      AND game.game_status = 'final'
  ) AS line
    ON line.game_date BETWEEN DATE_SUB(days.day, INTERVAL 365 DAY) AND DATE_SUB(days.day, INTERVAL 1 DAY)
    AND COALESCE(line.next_date >= days.day, TRUE)
) AS player
JOIN (
  SELECT day, team_abbr, MIN(game_date) AS since
  FROM (
    SELECT day, team_abbr, game_date
    FROM team_games
    WHERE game_date < day
    QUALIFY ROW_NUMBER() OVER (PARTITION BY day, team_abbr ORDER BY game_date DESC, game_id DESC) <= 10
  ) AS latest
  GROUP BY day, team_abbr
) AS team ON team.day = player.day AND team.team_abbr = player.team_abbr
WHERE player.game_date >= team.since
