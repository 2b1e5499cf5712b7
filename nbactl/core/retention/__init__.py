"""How long what accumulates is kept, and what removes the rest."""
