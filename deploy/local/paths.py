"""Where the files stand that the local cluster is made of.

Owns paths inside this repository. Must never name a place outside of it.
"""

from pathlib import Path

_DEPLOY = Path(__file__).resolve().parents[1]
MIGRATIONS = _DEPLOY / "postgres"
DEMO_ACCOUNT = _DEPLOY / "demo" / "account.yaml"
