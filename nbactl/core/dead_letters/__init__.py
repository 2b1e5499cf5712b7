"""Dead letters: messages that could not be delivered, saved before they are acknowledged."""
