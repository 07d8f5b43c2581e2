"""What the commands of ``glitchgrid`` do: a module each, and what several of them share."""
