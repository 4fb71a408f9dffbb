"""Switches: what they tell us and what they are told, in each adapter's own form.

Each adapter (generic, twilio) has readers that give nouns or a Refused, and `write_step`; commands.py writes what a live call's
switch is told without having asked. Whose request it is, signatures.py says before a reader is asked. Pure.
"""
