"""What a contract's text may say, and what is wrong with it."""
