"""What benchmarks share and `edgembed bench` has no use for; the rest is in edgembed.bench."""
