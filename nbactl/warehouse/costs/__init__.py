"""What the jobs of BigQuery cost, what its caches answer, and how near its quotas are: from the history of jobs."""
