"""`python -m services.rtb`: one worker of the rtb service."""

import sys

from services.rtb.app import SERVICE
from shared.service_run import main

if __name__ == "__main__":
    sys.exit(main(SERVICE))
