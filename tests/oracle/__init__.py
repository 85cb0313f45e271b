"""An independent reference interpreter of the language, and generators of random specs for it."""
