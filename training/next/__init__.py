"""`ritm next`: unlabelled tasks in the order in which they are worth labelling, also for Label Studio."""
