"""What is promised of payloads."""
