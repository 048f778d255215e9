"""From what a contract declares to rules in SQL."""
