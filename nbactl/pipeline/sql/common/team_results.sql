-- A team's results in the season of @game_date, before that date. They come from final scores alone; a game
-- whose score the source does not have counts for rest and number of games only, the cup final for rest only.
-- with: team_games, current_season
SELECT
  team_abbr,
  COUNTIF(counted) AS games_played,
  MAX(game_date) AS last_game_date,
  COUNTIF(game_date >= DATE_SUB(@game_date, INTERVAL 7 DAY)) AS games_last_7_days,
  COUNTIF(points > points_allowed) AS wins,
  COUNTIF(points < points_allowed) AS losses,
  SAFE_DIVIDE(
    COUNTIF(points > points_allowed AND recency <= 10), COUNTIF(points IS NOT NULL AND recency <= 10)
  ) AS win_pct_last_10,
  AVG(IF(recency <= 5, points, NULL)) AS points_avg_last_5,
  AVG(IF(recency <= 10, points, NULL)) AS points_avg_last_10,
  AVG(points) AS points_avg_season,
  AVG(IF(recency <= 5, points_allowed, NULL)) AS points_allowed_avg_last_5,
  AVG(IF(recency <= 10, points_allowed, NULL)) AS points_allowed_avg_last_10,
  AVG(points_allowed) AS points_allowed_avg_season
FROM (
  SELECT
    team.* REPLACE (
      IF(team.counted, team.points, NULL) AS points, IF(team.counted, team.points_allowed, NULL) AS points_allowed
    ),
    ROW_NUMBER() OVER (PARTITION BY team.team_abbr, team.counted ORDER BY team.game_date DESC, team.game_id DESC) AS recency
  FROM team_games AS team
  JOIN current_season ON current_season.season = team.season
  WHERE team.game_date < @game_date
) AS past
GROUP BY team_abbr
