"""What is known of the account, and how it is kept fresh; `docs/development/catalog.md` explains it."""
