"""Group of load."""
