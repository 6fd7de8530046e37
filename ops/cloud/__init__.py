"""Alibaba Cloud's OpenAPI through its official SDKs. Nothing of it is imported before a command needs it."""
