"""Makes ``twistd vault`` and ``twistd control`` known to twistd."""

from twisted.application.service import ServiceMaker

vault = ServiceMaker("Glitch Grid vault", "glitchgrid.vault_tap", "Store one value durably.", "vault")
control = ServiceMaker("Glitch Grid control", "glitchgrid.control_tap", "Serve a register kept by vaults.", "control")
