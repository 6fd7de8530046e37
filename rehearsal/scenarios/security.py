"""Group of security."""
