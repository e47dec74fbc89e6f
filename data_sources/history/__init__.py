"""What the recorder wrote, read back: tasks, names, failures, series, in the same answers as the present."""
