"""The kernel of a simulated world: processes, whose system calls it answers.

A process is one greenlet or several. A call that waits gives way to the world; everything above the system call is what
is installed: Twisted's reactors, resolver and thread pool, asyncio, the standard library.
"""
