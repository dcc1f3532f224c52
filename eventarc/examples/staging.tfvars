# A second environment in the project of another one: `name` is in each name, and state and image are its own. In a
# project of its own, leave `alone` out.
project = "my-project"
region  = "europe-west1"
name    = "staging"
alone   = false
image   = "europe-west1-docker.pkg.dev/my-project/dropfold/worker@sha256:0000000000000000000000000000000000000000000000000000000000000000"

max_workers         = 1
deletion_protection = false
