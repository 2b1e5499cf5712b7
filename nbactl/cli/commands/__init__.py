"""One module per noun; each parses its arguments, calls, and returns a result to render."""
