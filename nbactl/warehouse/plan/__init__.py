"""What a table is declared to be against what it is: the differences, the steps that remove them, and their price."""
