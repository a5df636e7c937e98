"""Makes the tables and pictures of the documents from tracked runs; `make results`."""
