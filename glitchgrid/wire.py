"""The header fields that control and vaults speak beyond plain HTTP."""

GUARD_HEADER = b"Glitchgrid-Guard"
"""Asks for a guarded store; a vault that honours it sends it back."""

GUARD_INCREASE = b"increase"
"""The one guard there is: refuse a decrease with 412 and the vault's own durable value."""

TRACEPARENT_HEADER = b"traceparent"
"""Where a trace is that a request is a part of (W3C Trace Context, section 3.2). Control hands it on to the vaults."""

LIST_HEADER = b"Glitchgrid-List"
"""The name of the list of vaults that a request's sender has (`glitchgrid.protocol.roster.list_digest`)."""

FENCED_HEADER = b"Glitchgrid-Fenced"
"""Identities whose votes do not count, with a space between two, in each answer to a read or a store that counts."""

IDENTITY_HEADER = b"Glitchgrid-Vault"
"""The vault's identity, with each of its answers."""
