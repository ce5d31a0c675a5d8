"""What answers teach while they are given: the judge refitted, estimates, the clusters to come."""
