"""Short stories of people, mishaps and the product's own code, in virtual time, each led by one seed."""
