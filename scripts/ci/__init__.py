"""What CI runs: every step of the workflows that is more than one command, callable by any CI.

`preview`, `comment` and `drift` need Python's standard library only, and neither secrets nor a cloud account.
"""
