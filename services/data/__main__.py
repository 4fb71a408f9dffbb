"""`python -m services.data`: one worker of the data service."""

import sys

from services.data.app import SERVICE
from shared.service_run import main

if __name__ == "__main__":
    sys.exit(main(SERVICE))
