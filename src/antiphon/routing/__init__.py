"""Model names to the places that can serve them."""
