-- A team's results in the season of each of the days, before that day. They come from final scores alone; a game
-- whose score the source does not have counts for rest and number of games only, the cup final for rest only.
-- with: team_games, current_season
SELECT
  day, team_abbr,
  COUNT(counted) AS games_played,
  MAX(game_date) AS last_game_date,
  COUNTIF(game_date >= DATE_SUB(day, INTERVAL 7 DAY)) AS games_last_7_days,
  COUNT(IF(points > points_allowed, counted, NULL)) AS wins,
  COUNT(IF(points < points_allowed, counted, NULL)) AS losses,
  IEEE_DIVIDE(COUNT(IF(points > points_allowed, last_10, NULL)), SUM(IF(points IS NULL, NULL, last_10)))
    AS win_pct_last_10,
  IEEE_DIVIDE(SUM(last_5 * points), SUM(IF(points IS NULL, NULL, last_5))) AS points_avg_last_5,
  IEEE_DIVIDE(SUM(last_10 * points), SUM(IF(points IS NULL, NULL, last_10))) AS points_avg_last_10,
  IEEE_DIVIDE(SUM(counted * points), SUM(IF(points IS NULL, NULL, counted))) AS points_avg_season,
  IEEE_DIVIDE(SUM(last_5 * points_allowed), SUM(IF(points_allowed IS NULL, NULL, last_5)))
    AS points_allowed_avg_last_5,
  IEEE_DIVIDE(SUM(last_10 * points_allowed), SUM(IF(points_allowed IS NULL, NULL, last_10)))
    AS points_allowed_avg_last_10,
  IEEE_DIVIDE(SUM(counted * points_allowed), SUM(IF(points_allowed IS NULL, NULL, counted)))
    AS points_allowed_avg_season
FROM (
  SELECT *, IF(recency <= 5, counted, NULL) AS last_5, IF(recency <= 10, counted, NULL) AS last_10
  FROM (
    SELECT
      team.day, team.team_abbr, team.game_date, team.points, team.points_allowed, team.counted,
      COUNT(team.counted) OVER (
        PARTITION BY team.day, team.team_abbr ORDER BY team.game_date DESC, team.game_id DESC
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS recency
    FROM team_games AS team
    JOIN current_season ON current_season.day = team.day AND current_season.season = team.season
    WHERE team.game_date < team.day
  )
)
GROUP BY day, team_abbr
