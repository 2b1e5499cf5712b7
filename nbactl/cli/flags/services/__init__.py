"""The variables of deployed services that flags read: `nbactl flags drift`, `sync` and `rollback --env`."""
