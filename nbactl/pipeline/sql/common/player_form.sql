-- A player's form before each of the days, in that season only: means over the last 5, the last 10 and all games.
-- with: player_history
SELECT
  day, player_lookup, games AS games_played, last_game_date, games_last_7_days,
  seconds_last_7_days / 60 AS minutes_last_7_days,
  IEEE_DIVIDE(seconds_5, 60 * games_5) AS minutes_avg_last_5,
  IEEE_DIVIDE(seconds_10, 60 * games_10) AS minutes_avg_last_10,
  IEEE_DIVIDE(seconds, 60 * games) AS minutes_avg_season,
  IEEE_DIVIDE(points_5, games_5) AS points_avg_last_5,
  IEEE_DIVIDE(points_10, games_10) AS points_avg_last_10,
  IEEE_DIVIDE(points, games) AS points_avg_season,
  IEEE_DIVIDE(rebounds_5, games_5) AS rebounds_avg_last_5,
  IEEE_DIVIDE(rebounds_10, games_10) AS rebounds_avg_last_10,
  IEEE_DIVIDE(rebounds, games) AS rebounds_avg_season,
  IEEE_DIVIDE(assists_5, games_5) AS assists_avg_last_5,
  IEEE_DIVIDE(assists_10, games_10) AS assists_avg_last_10,
  IEEE_DIVIDE(assists, games) AS assists_avg_season,
  IEEE_DIVIDE(steals_5, games_5) AS steals_avg_last_5,
  IEEE_DIVIDE(steals_10, games_10) AS steals_avg_last_10,
  IEEE_DIVIDE(steals, games) AS steals_avg_season,
  IEEE_DIVIDE(blocks_5, games_5) AS blocks_avg_last_5,
  IEEE_DIVIDE(blocks_10, games_10) AS blocks_avg_last_10,
  IEEE_DIVIDE(blocks, games) AS blocks_avg_season,
  IEEE_DIVIDE(turnovers_5, games_5) AS turnovers_avg_last_5,
  IEEE_DIVIDE(turnovers_10, games_10) AS turnovers_avg_last_10,
  IEEE_DIVIDE(turnovers, games) AS turnovers_avg_season,
  IEEE_DIVIDE(three_made_5, games_5) AS three_made_avg_last_5,
  IEEE_DIVIDE(three_made_10, games_10) AS three_made_avg_last_10,
  IEEE_DIVIDE(three_made, games) AS three_made_avg_season,
  SAFE_DIVIDE(50 * points, 100 * fg_attempted + 44 * ft_attempted) AS ts_pct_season,
  SAFE_DIVIDE(2 * fg_made + three_made, 2 * fg_attempted) AS efg_pct_season
FROM (
  SELECT
    day, player_lookup,
    SUM(counted) AS games, SUM(last_5) AS games_5, SUM(last_10) AS games_10,
    MAX(game_date) AS last_game_date,
    COUNTIF(game_date >= DATE_SUB(day, INTERVAL 7 DAY)) AS games_last_7_days,
    SUM(IF(game_date >= DATE_SUB(day, INTERVAL 7 DAY), seconds, 0)) AS seconds_last_7_days,
    SUM(last_5 * seconds) AS seconds_5, SUM(last_10 * seconds) AS seconds_10, SUM(counted * seconds) AS seconds,
    SUM(last_5 * points) AS points_5, SUM(last_10 * points) AS points_10, SUM(counted * points) AS points,
    SUM(last_5 * rebounds) AS rebounds_5, SUM(last_10 * rebounds) AS rebounds_10, SUM(counted * rebounds) AS rebounds,
    SUM(last_5 * assists) AS assists_5, SUM(last_10 * assists) AS assists_10, SUM(counted * assists) AS assists,
    SUM(last_5 * steals) AS steals_5, SUM(last_10 * steals) AS steals_10, SUM(counted * steals) AS steals,
    SUM(last_5 * blocks) AS blocks_5, SUM(last_10 * blocks) AS blocks_10, SUM(counted * blocks) AS blocks,
    SUM(last_5 * turnovers) AS turnovers_5, SUM(last_10 * turnovers) AS turnovers_10,
    SUM(counted * turnovers) AS turnovers,
    SUM(last_5 * three_made) AS three_made_5, SUM(last_10 * three_made) AS three_made_10,
    SUM(counted * three_made) AS three_made,
    SUM(counted * fg_made) AS fg_made, SUM(counted * fg_attempted) AS fg_attempted,
    SUM(counted * ft_attempted) AS ft_attempted
  FROM player_history
  GROUP BY day, player_lookup
)
