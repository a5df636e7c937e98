"""A tracked model put to use, on pictures that are made of real digits."""
