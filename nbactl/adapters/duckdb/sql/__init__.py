"""BigQuery SQL compiled to DuckDB SQL: types, names, and a list of functions; what is not on the list is refused."""
