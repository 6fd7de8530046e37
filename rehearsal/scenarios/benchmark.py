"""Group of benchmark."""
