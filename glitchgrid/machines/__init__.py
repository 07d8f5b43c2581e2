"""Machines of real processes, without root: namespaces of their own, a network between them, disks that lose power.

Programs run unmodified, in any language. Each machine is a tree of processes in user, network, mount, PID and other
namespaces; what one sends another passes through this process, which may lose it, hold it or be late with it; what one
writes may be on a file system of ours. Nothing of this changes the host, and all of it ends with this process.

===========  =========================================================================================================
`means`      what the kernel and its settings allow here
`machine`    a machine from outside: it is made, told what to do, and ends
`keeper`     a machine's first process: it makes its interface and its mounts, and holds it together
`interface`  a tap device, its address and its neighbours, from inside
`network`    what lies between machines: who hears whom, how late, how much of it
`frames`     Ethernet, as far as a switch reads it, and files of frames that Wireshark opens
`disk`       a file system of a machine: a cache and platters, by FUSE
===========  =========================================================================================================
"""
