"""What is promised of the source of truth: of reading the DA layer, and of posting to it."""
