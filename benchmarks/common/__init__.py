"""What every benchmark shares: statistics, texts of known length, the machine, Markdown tables."""
