"""A bundle in the shapes that other people's machinery takes: `edgembed pack`.

trim       a bundle with some of its dtypes, as good as one that was exported with these alone
archive    zip files that depend on nothing but what is in them
aws        a layer and a function for AWS Lambda
wheel      a wheel for pip, from which Embedder.from_package loads
app        one zip with the bundle, all that runs it, and a command to run

Each writes to a folder or a stream that it is given; that it appears whole or not at all is the
command's work.
"""
