"""A loopback server that speaks the BigQuery v2 REST API, with DuckDB behind it."""

from nbactl.testing.bigquery.server import BigQueryServer, bigquery_server

__all__ = ["BigQueryServer", "bigquery_server"]
