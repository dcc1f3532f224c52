project = "my-project"
region  = "europe-west4"
image   = "europe-west4-docker.pkg.dev/my-project/dropfold/worker@sha256:0000000000000000000000000000000000000000000000000000000000000000"

max_workers     = 3
jobs_per_worker = 10

uploaders         = ["group:structures@example.com"]
keep_inputs_days  = 90
keep_outputs_days = 365

webhook = {
  url    = "https://structures.example.com/dropfold"
  filter = "attributes.state = \"FAILED\" OR attributes.state = \"SUCCEEDED\""
}

alert_emails    = ["on-call@example.com"]
runbook         = "https://wiki.example.com/dropfold/operations"
billing_account = "0X0X0X-0X0X0X-0X0X0X"
budget          = 800
