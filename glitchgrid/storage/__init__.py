"""One durable value: the disk, the file with its two slots, and the store whose writes a thread pool makes."""
