"""Training: the loop over epochs, the update rules, the history of a run, and its progress on a terminal."""
