"""Small pieces that know nothing of Antiphon: event streams, bounded JSON, clocks, identity, redaction, logging."""
