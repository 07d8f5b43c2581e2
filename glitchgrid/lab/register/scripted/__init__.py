"""Programs that answer as they are told, where a simulated vault or control would be."""
