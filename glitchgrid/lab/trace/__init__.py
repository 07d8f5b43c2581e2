"""What happened in a run: what was sent and heard, when faults began and ended."""
