"""TLS between clients, control and vaults: its files, both ends of a connection, and when certificates end."""
