"""Background work: the row is the job, a message is only a nudge."""
