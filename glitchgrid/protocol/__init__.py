"""Decisions without a network: what to ask the vaults, and what their answers come to. No Twisted in here."""
