"""What was measured, for people: parity.html and the bundle's README.md."""
