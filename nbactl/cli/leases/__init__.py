"""`nbactl leases`."""
