"""Rules: what makes a probability of the evidence of a pair, shipped, stated or learned."""
