"""The register under the laboratory: its layout, its clients, who judges it, its glitches, and its test kit."""
