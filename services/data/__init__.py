"""The data service: what partners write on calls, read of them, and post about their worth."""
