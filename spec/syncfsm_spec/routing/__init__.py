"""What is promised of packets."""
