"""`python -m tests.fill_world`: fill the migrated, empty database of DATABASE_URL, to look at."""

import os

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ace_project.settings.dev")
    django.setup()
    from tests.world import PASSWORD, make_people, make_world

    make_people()
    make_world()
    print(f"vic, ann, bob and zoe sign in with: {PASSWORD}")
