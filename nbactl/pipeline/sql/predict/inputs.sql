-- The players that the feature store has on @game_date, each with his latest games before it, at most @most_games, and
-- with what his opponent has allowed in the season: what players did against it, and what they do in as many minutes in
-- all their games of the season (in thousandths, so that every sum is exact). A player without a game has one row.
-- reads: nba_precompute.ml_feature_store 0..0
-- reads: nba_raw.games -365..-1
-- reads: nba_raw.player_boxscores -365..-1
WITH played AS (
  SELECT
    box.player_lookup, box.game_date, box.game_id, box.opponent_team_abbr, game.season,
    CAST(ROUND(box.minutes * 60) AS INT64) AS seconds, box.points, box.rebounds, box.assists,
    ROW_NUMBER() OVER (PARTITION BY box.player_lookup ORDER BY box.game_date DESC, box.game_id DESC) AS recency
  FROM nba_raw.player_boxscores AS box
  JOIN nba_raw.games AS game ON game.game_date = box.game_date AND game.game_id = box.game_id
  WHERE box.game_date BETWEEN DATE_SUB(@game_date, INTERVAL 365 DAY) AND DATE_SUB(@game_date, INTERVAL 1 DAY)
    AND game.game_date BETWEEN DATE_SUB(@game_date, INTERVAL 365 DAY) AND DATE_SUB(@game_date, INTERVAL 1 DAY)
    AND game.game_status = 'final' AND COALESCE(game.season_type, 'regular') NOT IN ('preseason', 'cup')
    AND ROUND(box.minutes * 60) > 0
),
usual AS (
  SELECT
    player_lookup, season,
    SUM(seconds) AS seconds, SUM(points) AS points, SUM(rebounds) AS rebounds, SUM(assists) AS assists
  FROM played
  GROUP BY player_lookup, season
),
allowed AS (
  SELECT
    played.opponent_team_abbr AS team_abbr, played.season,
    COUNT(*) AS lines,
    SUM(played.points) AS points, SUM(played.rebounds) AS rebounds, SUM(played.assists) AS assists,
    SUM(CAST(ROUND(IEEE_DIVIDE(1000 * played.seconds * usual.points, usual.seconds)) AS INT64)) AS usual_points,
    SUM(CAST(ROUND(IEEE_DIVIDE(1000 * played.seconds * usual.rebounds, usual.seconds)) AS INT64)) AS usual_rebounds,
    SUM(CAST(ROUND(IEEE_DIVIDE(1000 * played.seconds * usual.assists, usual.seconds)) AS INT64)) AS usual_assists
  FROM played
  JOIN usual ON usual.player_lookup = played.player_lookup AND usual.season = played.season
  GROUP BY played.opponent_team_abbr, played.season
)
SELECT
  player.player_lookup, player.game_id, player.team_abbr, player.opponent_team_abbr, player.rest_days,
  allowed.lines AS opponent_lines,
  allowed.points AS opponent_points, allowed.usual_points AS opponent_usual_points,
  allowed.rebounds AS opponent_rebounds, allowed.usual_rebounds AS opponent_usual_rebounds,
  allowed.assists AS opponent_assists, allowed.usual_assists AS opponent_usual_assists,
  played.recency, played.game_date AS played_on, played.seconds, played.points, played.rebounds, played.assists
FROM nba_precompute.ml_feature_store AS player
LEFT JOIN allowed ON allowed.team_abbr = player.opponent_team_abbr AND allowed.season = player.season
LEFT JOIN played ON played.player_lookup = player.player_lookup AND played.recency <= @most_games
WHERE player.game_date = @game_date
