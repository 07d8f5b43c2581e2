"""The register under the laboratory: what is a vault, what breaks its assumptions, and who judges it."""
