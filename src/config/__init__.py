"""A checked configuration as plain objects, and the types of its values."""
