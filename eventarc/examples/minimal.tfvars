# What must be said. One L4 at a time, no mail, no budget.
project     = "my-project"
image       = "us-central1-docker.pkg.dev/my-project/dropfold/worker@sha256:0000000000000000000000000000000000000000000000000000000000000000"
max_workers = 1

# To try it out and to be able to throw it away.
deletion_protection = false
