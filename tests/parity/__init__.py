"""Whether the world is like Linux: Twisted's own tests run in both, and so do random sequences of system calls."""
