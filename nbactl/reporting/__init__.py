"""How reliable the pipeline is: numbers of a period, alert rules over them, and everything known of one thing."""
