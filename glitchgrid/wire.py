"""The header fields that control and vaults speak beyond plain HTTP."""

GUARD_HEADER = b"Glitchgrid-Guard"
"""Asks for a guarded store; a vault that honours it sends it back."""

GUARD_INCREASE = b"increase"
"""The one guard there is: refuse a decrease with 412 and the vault's own durable value."""

TRACEPARENT_HEADER = b"traceparent"
"""Where a trace is that a request is a part of (W3C Trace Context, section 3.2). Control hands it on to the vaults."""

IDENTITY_HEADER = b"Glitchgrid-Vault"
"""The vault's identity, with each of its answers."""
