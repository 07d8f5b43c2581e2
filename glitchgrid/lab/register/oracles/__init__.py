"""Who judges a run of the register: what each may look at, what it asks for, and the limits that servers promise."""
