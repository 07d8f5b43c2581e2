"""A world for programs: machines, their kernels, disks and clocks, a network, and one seed.

Programs are not simulated, nor is Twisted below them. The seam is the system call: what a program asks of its system,
`kernel` answers. So whatever runs under ``twistd`` runs here, and every run is the same for the same seed, to the byte.

=================  ===============================================================================================
`event_queue`      time, and the events that will happen in it
`context`          what all parts of a world share: the queue, random streams, the trace
`random_stream`    random numbers, one stream for each purpose
`trace`            what happened, and a digest of it
`capture`          what was sent and what arrived, to be shown
`host`             a machine as its network sees it
`clock`            two clocks a machine, one of which can be set
`connection`       what sockets of TCP work on: a connection, with its two ends
`network`          what lies between machines: latency, cuts, holds, loss
`names`            a name server
`drive`            a disk as those see it who break it; `inode` and `tearing` have what survives
`kernel`           processes, and the answers to their system calls
`native`           the part in C: dates, chance and TLS of C code
=================  ===============================================================================================

None of this knows what the programs do.
"""
