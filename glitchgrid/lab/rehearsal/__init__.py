"""Rehearsals on real machines (`glitchgrid.machines`): any program, the faults of the simulator, one plan for both.

=============  =======================================================================================================
`systemfile`   what a TOML file says of a system: its machines, their programs, its test commands
`host`         a real machine as faults see it: its processes, its disk, its clock
`stage`        all of them, the network between them, and which faults cannot be done here
`nemesis`      carries out the faults of a plan while test commands run, and gives quiet periods
`rehearsal`    one timeline: machines are made, programs started, commands called, and all of it ends
=============  =======================================================================================================
"""
