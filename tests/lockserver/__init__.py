"""A lock server that has nothing to do with the register, and what the laboratory has to be told of it."""
