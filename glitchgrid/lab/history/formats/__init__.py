"""Readers and writers of the formats that others record histories in."""
