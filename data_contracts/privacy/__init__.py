"""Privacy as a contract: small counts, noise with a budget, masked examples."""
