"""What an operator runs around `pulumi up`: `python -m ops --help`. Nothing imports this package but its tests."""
