"""What runs on the box, and the two carriers that bring it there. Imports neither pulumi nor infra."""
