-- Games of the season before @game_date in which both box scores are complete: those with known possessions.
-- with: team_box, current_season
SELECT box.*
FROM team_box AS box
JOIN current_season ON current_season.season = box.season
WHERE box.game_date < @game_date AND box.counted AND box.possessions IS NOT NULL
