"""Leases with fencing tokens, their holders, and the heartbeat that renews them."""
