"""The whole engine in virtual time: seeded faults, and the reference interpreter as the judge."""
