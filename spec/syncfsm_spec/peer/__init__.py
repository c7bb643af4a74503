"""What the connection promises."""
