"""Links between real processes on this machine: what goes over them is seen, and can be cut, slowed and held.

No privileges are needed, and no change in the processes: each link is a port of this process's, which a server is told
instead of its peer's.
"""
