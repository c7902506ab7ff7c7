"""Who may do what: keys and what they allow."""
