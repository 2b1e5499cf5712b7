"""`nbactl bq costs`."""
