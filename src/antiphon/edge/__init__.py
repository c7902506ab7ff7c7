"""HTTP towards clients: routes, bodies, streams, errors. HTTP ends here."""
