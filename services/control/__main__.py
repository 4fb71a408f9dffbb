"""`python -m services.control`: one worker of the control service."""

import sys

from services.control.app import SERVICE
from shared.service_run import main

if __name__ == "__main__":
    sys.exit(main(SERVICE))
