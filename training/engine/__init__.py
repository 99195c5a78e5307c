"""Group-relative policy optimisation in NumPy: arrays in, arrays out, no Django and no clock."""
