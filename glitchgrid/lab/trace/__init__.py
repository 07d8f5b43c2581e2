"""What happened in a run: the messages that machines sent each other, and when faults began and ended."""
