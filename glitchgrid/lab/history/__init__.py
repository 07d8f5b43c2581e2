"""What clients saw: the format of a history, what writes it, and what makes one of many."""
