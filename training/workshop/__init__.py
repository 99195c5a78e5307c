"""The built-in sandbox: a simulated shop back-office with real tools over a database of its own."""
