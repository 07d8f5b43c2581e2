"""What servers do under pressure: loads that mean no good, each bounded, and what others notice of them."""
