"""What runs on the box: standard library only, Python 3.10 and later. Every step may run again at any time."""
