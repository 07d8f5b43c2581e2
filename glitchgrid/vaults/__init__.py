"""A vault as control sees it: its address, the connections to it, one question and its answer, the client."""
