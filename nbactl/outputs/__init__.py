"""What should be there: the outputs expected of each date, and what there is of them."""
