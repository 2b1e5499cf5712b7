"""`nbactl services`: what is deployed, what it really has, and the way back."""
