"""A world for Twisted programs: machines, their kernels, disks and clocks, a network, and one seed.

Twisted itself is not simulated. Its epoll reactor, its transports and everything above them run as they are, over a
kernel whose system calls are answered here: sockets, epoll, clocks, files, threads. So whatever runs under
``twistd`` runs here, and every run is the same for the same seed, to the byte.

=================  ===============================================================================================
`event_queue`      time, and the events that will happen in it
`context`          what all parts of a world share: the queue, random streams, the trace
`world`            the machines, and the network between them
`random_stream`    random numbers, one stream for each purpose
`trace`            what happened, and a digest of it
`capture`          what was sent and what arrived, to be shown
`machine`, `host`  one machine: what survives its processes
`process`          one process from its start to its end
`reactor`          Twisted's reactor over a simulated kernel
`sockets`          the system calls for TCP
`connection`       what they work on: a connection, with its two ends
`epoll`            which sockets are ready
`disk`             a cache, platters, and how long things take; `inode` has what survives
`network`          what lies between machines: latency, cuts, holds, loss
`names`            a name server
`pool`             threads
`clock`            two clocks a machine, one of which can be set
`containment`      what is patched so that nothing leaves the world
=================  ===============================================================================================

None of this knows what the programs do.
"""
