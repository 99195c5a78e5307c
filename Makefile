# python3 is all that is needed; bootstrap.py makes .venv and keeps it in step with requirements/.
BASE = python3 bootstrap.py base
DEV = python3 bootstrap.py dev
LOCK = uv --no-config pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--fork-strategy fewest --no-header --no-annotate --no-emit-index-url

.PHONY: run test lint bench screenshots lock

run:
	@$(BASE) python manage.py run

# In two processes; each test that rolls back runs before those that empty the tables (--dist load),
# and few are given out at once, since the long ones of a real browser stand side by side at the end.
test:
	@$(DEV) python -m pytest -rsfE -n 2 --dist load --maxschedchunk 16 --cov --cov-report=term:skip-covered --cov-fail-under=90

lint:
	@$(DEV) ruff format --check .
	@$(DEV) ruff check .
	@$(DEV) mypy .
	@$(DEV) lint-imports

bench:
	@$(DEV) python -m bench

# Every page in light, dark and on a phone, and what is wrong with any of them.
screenshots:
	@$(DEV) python -m tests.e2e.screenshots --check var/screenshots

# For whoever changes requirements/*.in; needs uv.
lock:
	$(LOCK) requirements/base.in -o requirements/base.txt
	$(LOCK) requirements/prod.in -c requirements/base.txt -o requirements/prod.txt
	$(LOCK) requirements/dev.in -c requirements/base.txt -o requirements/dev.txt
