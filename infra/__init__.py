"""The Pulumi program's components and the one place that reads its config. The only code that imports pulumi."""
