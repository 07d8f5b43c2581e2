"""What the test commands under ``workload/`` are made of: one turn of a command, and what all turns share.

A test command is a program that Test Composer calls (https://antithesis.com/docs/test_templates/), or
``glitchgrid rehearse`` at home. It exits with 0 where it has found nothing, with 1 for a real fault alone, and with 2
where it was called wrongly.
"""
