"""Phases as production records them: who reported, what is expected, what was handed on. Everything here only reads."""
