"""Where trajectories come from: an agent that works on a task, or an environment that is played."""
