"""Logs of the services that `nbactl up` runs, as files of this machine."""
