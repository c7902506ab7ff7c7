"""Settings from one YAML file and the environment: read once, checked, and then plain frozen values."""
