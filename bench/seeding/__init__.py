"""A made-up installation of any size, written into an empty database by COPY."""
