# One line a target; the work stands in the tools' own configuration (pyproject.toml, .importlinter).
.DEFAULT_GOAL := help
.PHONY: help venv run test check format lint types imports budgets bench lock clean
BIN := .venv/bin

help: ; @sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18 ## print this
venv: ; @deploy/local/make_venv.sh ## make .venv from the lock, when it has changed
run: venv ; @exec $(BIN)/ringpost up ## start everything here until Ctrl-C; the data stays in .ringpost
test: venv ; @$(BIN)/pytest ## run all tests on throw-away Postgres and Redis
check: lint types imports budgets ## everything that is checked without running the tests
format: venv ; @$(BIN)/ruff format . && $(BIN)/ruff check --fix-only --quiet . ## format the code
lint: venv ; @$(BIN)/ruff format --check . && $(BIN)/ruff check . ## formatting and lint
types: venv ; @$(BIN)/mypy ## static types, strict
imports: venv ; @$(BIN)/lint-imports ## arrows between rooms point down
budgets: venv ; @$(BIN)/pytest tests/pure/test_budgets.py ## sizes, parameters, cycles, purity
bench: venv ; @$(BIN)/python -m loadtests.bench ## measure pings against the smallest possible server, durable answers against pgbench, a list of a million numbers
lock: venv ; @requirements/make_lock.sh ## resolve dependencies anew, pinned by hash
clean: ; @rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache ## forget what was built; .ringpost stays
