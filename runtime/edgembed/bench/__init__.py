"""`edgembed bench`: latency, throughput, cold start and memory of a bundle on this machine.

    run         the measurements in order, within a budget of time
    speed       latency and throughput, dtypes in turns
    cold child spans    a fresh process to its first vector, and what it spent its time on
    machine memory stats texts sentences    what every benchmark needs; benchmarks/ uses them too
    shape show  the report: as JSON, and for people

Nothing is imported here: the child's clock runs while this is read.
"""
