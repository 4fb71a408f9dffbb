"""`python -m services.calls`: one worker of the calls service."""

import sys

from services.calls.app import SERVICE
from shared.service_run import main

if __name__ == "__main__":
    sys.exit(main(SERVICE))
