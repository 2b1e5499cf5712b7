-- The dates of @dates: one row for each. What is computed for one of them sees nothing of the others but their past.
-- @first and @last are the earliest and the latest of them: constant bounds, so that BigQuery reads no other partition.
SELECT day FROM UNNEST(@dates) AS day
