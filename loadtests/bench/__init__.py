"""The benchmark: what a ping costs, beside an aiohttp hello-world, in one run on one machine."""
