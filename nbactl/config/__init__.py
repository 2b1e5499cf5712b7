"""The three YAML files and the settings, typed and validated."""
