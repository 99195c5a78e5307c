"""The Django admin as we keep it: every row to look at, few to change, no list without an end."""
