"""What data must look like: a contract for each dataset, and the gate that judges rows by it."""
