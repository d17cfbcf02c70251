"""One module a peer; each has a class Adapter(folder, threads, options) with encode()."""
