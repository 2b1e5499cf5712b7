"""The commands that change deployed services, and undo it: one engine behind all of them."""
