"""Rules over SQL in BigQuery's dialect: every statement is parsed once for all of them."""
