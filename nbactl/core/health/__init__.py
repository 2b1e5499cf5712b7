"""How a service is: dependencies looked at in the background, its own requests counted, told to who asks."""
