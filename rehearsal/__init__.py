"""What is tried on the sandbox, good and bad: scenarios, the stages they play on, their report."""
