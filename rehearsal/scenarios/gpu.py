"""Group of gpu."""
