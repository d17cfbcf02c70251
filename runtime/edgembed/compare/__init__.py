"""`edgembed compare`: whether two ways to embed agree, on a user's own texts."""
