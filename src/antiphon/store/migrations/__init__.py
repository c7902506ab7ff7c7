"""The database's schema, step by step. Run by `antiphon.store.migrate`; a step is never edited once released."""
