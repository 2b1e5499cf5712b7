"""The bus port on Google Cloud Pub/Sub."""
