"""The services that a box calls: each under its production host name, none reachable from outside the sandbox."""
