"""`python -m services.worker`: one process of the worker."""

import sys

from services.worker.app import SERVICE
from shared.service_run import main

if __name__ == "__main__":
    sys.exit(main(SERVICE))
