"""Rehearsals of any programs, as far as no machine is needed."""
